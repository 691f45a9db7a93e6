// Time off: asked for with a preview of the visits that it would strand, changed, and taken back.

import { h } from "../dom.js";
import * as times from "../times.js";
import { t } from "../words.js";
import { VISIT } from "./agenda.js";
import { doing, fault, field, openDialog, select } from "./parts.js";
import { PREVIEW, previewParts } from "./stranded.js";

const ANSWER = `__typename
    ... on TimeOff { id from until reason }
    ${PREVIEW}
    ... on InvalidInputError { field }
    ... on UserError { message }`;
const ADD = `mutation AddTimeOff($input: AddTimeOffInput!) { answer: addTimeOff(input: $input) { ${ANSWER} } }`;
const UPDATE = `mutation UpdateTimeOff($input: UpdateTimeOffInput!) { answer: updateTimeOff(input: $input) { ${ANSWER} } }`;
const REMOVE = `mutation RemoveTimeOff($input: RemoveTimeOffInput!) {
  answer: removeTimeOff(input: $input) {
    __typename
    ... on TimeOff { id from until reason }
    ... on UserError { message }
  }
}`;

const SETTLE_MS = 300;

/** Opens the form: for new time off, with the column and times that were dragged; or for existing time off. */
export function openAway(desk, { column = null, from = null, until = null, timeOff = null }) {
  const { practice, api, zone } = desk;
  const subjects = practice.own ? [practice.provider(practice.own)] : [...practice.providers, ...practice.resources];
  const first = subjects.find(({ id }) => id === column) ?? subjects[0];
  // Time off is in the subject's own time zone.
  const theirs = (reading) => (first.timeZone === zone ? reading : times.wallIn(first.timeZone, times.instantIn(zone, reading)).slice(0, 16));
  const start = timeOff?.from ?? theirs(from ?? `${desk.shown.date}T00:00`);
  const end = timeOff?.until ?? theirs(until ?? `${times.addDays(desk.shown.date, 1)}T00:00`);
  const whom = select(subjects.map(({ id, name }) => [id, name]), first.id, { disabled: Boolean(timeOff) });
  const input = (type, value) => h("input", { type, value, required: true, step: type === "time" ? 300 : null });
  const [fromDate, fromTime] = [input("date", start.slice(0, 10)), input("time", start.slice(11, 16))];
  const [untilDate, untilTime] = [input("date", end.slice(0, 10)), input("time", end.slice(11, 16))];
  const reason = h("input", { maxlength: 500, value: timeOff?.reason ?? "" });
  const preview = h("div", { class: "preview", role: "status" });

  const wish = () => ({
    ...(timeOff ? { id: timeOff.id } : practice.provider(whom.value) ? { providerId: whom.value } : { resourceId: whom.value }),
    from: `${fromDate.value}T${fromTime.value}`,
    until: `${untilDate.value}T${untilTime.value}`,
    reason: reason.value.trim() || null,
  });
  const complete = () => [fromDate, fromTime, untilDate, untilTime].every(({ value }) => value);
  const send = async (more = {}) => (await api.query((timeOff ? UPDATE : ADD) + VISIT, { input: { ...wish(), ...more } })).answer;

  let asked = 0;
  let waiting;
  const ask = () => {
    clearTimeout(waiting);
    waiting = setTimeout(async () => {
      const run = (asked += 1);
      if (!complete()) return preview.replaceChildren();
      const answer = await send({ dryRun: true }).catch((problem) => problem);
      if (run !== asked || !preview.isConnected) return; // asked about something else since, or closed
      fault(untilTime, answer.field ? answer.message : null);
      if (answer.message) return preview.replaceChildren(answer.field ? "" : h("p", {}, answer.message));
      preview.replaceChildren(...previewParts(desk, answer));
    }, SETTLE_MS);
  };

  const save = doing(t("save"), async () => {
    dialog.say(null);
    if (!complete()) return [fromDate, fromTime, untilDate, untilTime].find(({ value }) => !value).focus();
    try {
      const answer = await send();
      if (answer.field) return fault(untilTime, answer.message), untilTime.focus();
      if (answer.message) return dialog.say(answer.message);
      dialog.close();
      const name = subjects.find(({ id }) => id === whom.value).name;
      desk.done(t("is_away", { name, from: times.fullText(`${answer.from}:00`), until: times.fullText(`${answer.until}:00`) }), { undo: timeOff ? null : () => takeBack(desk, answer.id) });
      desk.agenda.load();
      await desk.stranded.load();
      desk.stranded.openIfAny();
    } catch (problem) {
      dialog.say(problem.message);
    }
  }, { kind: "primary" });
  const remove = timeOff && doing(t("remove_time_off"), async () => {
    dialog.close();
    await takeBack(desk, timeOff.id);
  }, { kind: "button danger" });

  const dialog = openDialog({
    title: t(timeOff ? "time_off_title" : "time_off_new"),
    wide: true,
    parts: [
      field(t("whose"), whom),
      h("div", { class: "row" }, field(t("from_date"), fromDate), field(t("from_time"), fromTime)),
      h("div", { class: "row" }, field(t("until_date"), untilDate), field(t("until_time"), untilTime)),
      field(t("reason"), reason),
      preview,
    ],
    actions: [save, remove].filter(Boolean),
  });
  for (const one of [whom, fromDate, fromTime, untilDate, untilTime]) one.addEventListener("change", ask);
  ask();
  (timeOff ? fromDate : whom).focus();
}

async function takeBack(desk, id) {
  try {
    const { answer } = await desk.api.query(REMOVE, { input: { id } });
    desk.done(answer.message ?? t("time_off_removed"));
    desk.agenda.load();
    desk.stranded.load();
  } catch (problem) {
    desk.done(problem.message);
  }
}
