// Moving and handing over, by dragging or in a dialog: both end in the same question to the user and the same mutation.

import { h } from "../dom.js";
import { newKey } from "../graphql.js";
import * as times from "../times.js";
import { namesText } from "../visit.js";
import { t } from "../words.js";
import { VISIT } from "./agenda.js";
import { titleOf } from "./grid.js";
import { doing, field, openDialog, select } from "./parts.js";
import { Obstacles } from "./why.js";

const MOVE = `mutation Move($input: RescheduleAppointmentInput!) {
  answer: rescheduleAppointment(input: $input) {
    __typename
    ... on BookingConfirmation { appointment { ...Visit } }
    ... on SlotUnavailableError { reasons alternatives { startsAt providerId } }
    ... on UserError { message }
  }
}`;
const MOVE_SESSION = `mutation MoveSession($input: RescheduleSessionInput!) {
  answer: rescheduleSession(input: $input) {
    __typename
    ... on Session { startsAt appointments(first: 100) { nodes { ...Visit } } }
    ... on SlotUnavailableError { reasons alternatives { startsAt providerId } }
    ... on UserError { message }
  }
}`;

/** Moves a visit, or a class with everybody in it. Returns its visits as they are afterwards, or the refusal. */
async function send({ api }, block, { startsAt, providers, ignore = [], key, version }) {
  const [visit] = block.visits;
  const common = { startsAt, providerIds: providers, ignore, idempotencyKey: key };
  const { answer } = visit.session
    ? await api.query(MOVE_SESSION + VISIT, { input: { sessionId: visit.session.id, ...common } })
    : await api.query(MOVE + VISIT, { input: { appointmentId: visit.id, expectedVersion: version, ...common } });
  if (answer.appointment) return { visits: [answer.appointment] };
  if (answer.appointments) return { visits: answer.appointments.nodes };
  return { refusal: answer };
}

/**
 * Asks for the time and the person, filled in with the drop: a wall-clock time, from one column to another. If the server refuses, the
 * dialog stays open and says what is in the way.
 */
export function moveBlock(desk, block, { reading = null, from = null, to = null } = {}) {
  const [visit] = block.visits;
  const { practice, zone } = desk;
  const before = { startsAt: visit.startsAt, providers: visit.providers.map(({ id }) => id) };
  const wanted = before.providers.map((id) => (id === from && practice.columns.some((one) => one.id === to && one.isProvider) ? to : id));
  const start = reading ?? times.wallIn(zone, visit.startsAt).slice(0, 16);
  const date = h("input", { type: "date", value: times.dateOf(start), required: true });
  const time = h("input", { type: "time", value: start.slice(11, 16), step: 300, required: true });
  const offers = ({ id, isArchived }) => !isArchived && (!visit.service || practice.service(visit.service.id)?.providers.some((one) => one.id === id));
  const offered = practice.everyone.filter((one) => before.providers.includes(one.id) || offers(one));
  const people = wanted.map((id) => select(offered.map((one) => [one.id, one.name]), id));
  const attempt = { request: null, key: null }; // the same move again has the same key, so that it never moves twice
  const inTheWay = new Obstacles(zone, (slot) => {
    const alternative = times.wallIn(zone, slot.startsAt);
    [date.value, time.value] = [times.dateOf(alternative), alternative.slice(11, 16)];
    move.focus();
  });

  const move = doing(t("move_it"), async () => {
    dialog.say(null);
    if (!date.reportValidity() || !time.reportValidity()) return;
    const readingNow = `${date.value}T${time.value}`;
    const same = readingNow === times.wallIn(zone, visit.startsAt).slice(0, 16);
    const wish = { startsAt: same ? visit.startsAt : times.instantIn(zone, readingNow), providers: people.map(({ value }) => value), ignore: inTheWay.ignored };
    const request = JSON.stringify(wish);
    if (attempt.request !== request) Object.assign(attempt, { request, key: newKey() });
    try {
      const { visits, refusal } = await send(desk, block, { ...wish, key: attempt.key, version: visit.version });
      if (refusal) return inTheWay.show(refusal, date.value);
      dialog.close();
      moved(desk, block, { visits, before });
    } catch (problem) {
      dialog.say(problem.message);
    }
  }, { kind: "primary", type: "submit" });

  for (const input of [date, time, ...people]) input.addEventListener("change", () => inTheWay.clear());
  const intoRoom = to && practice.resource(to) ? h("p", { class: "hint" }, t("room_is_assigned", { room: practice.resource(to).name })) : "";
  const dialog = openDialog({
    title: t("move_title", { name: titleOf(block) }),
    wide: true,
    form: true,
    parts: [
      h("p", { class: "facts" }, t("now_is", { what: [times.fullText(times.wallIn(zone, visit.startsAt)), namesText(visit.providers)].join(" · ") })),
      intoRoom,
      h("div", { class: "row" }, field(t("date"), date), field(t("time"), time)),
      ...people.map((one) => field(t("with"), one)),
      inTheWay.element,
      h("p", { class: "hint" }, t("they_are_told")),
    ],
    actions: [move],
  });
  (reading ? move : date).focus();
}

function moved(desk, block, { visits, before }) {
  const [visit] = visits;
  const values = { name: titleOf(block), time: times.fullText(times.wallIn(desk.zone, visit.startsAt)), with: namesText(visit.providers) };
  const undo = async () => {
    const { visits: back, refusal } = await send(desk, { ...block, visits }, { startsAt: before.startsAt, providers: before.providers, key: newKey(), version: visit.version });
    if (refusal) desk.done(refusal.message);
    else desk.done(t("moved_back", { name: values.name }), { visits: back });
  };
  desk.done(t("moved_to", values), { visits, undo });
}
