// One visit, or one class with its participants: all about it, and what can be done.

import { h } from "../dom.js";
import * as times from "../times.js";
import { namesText, partyText, whereText } from "../visit.js";
import { t } from "../words.js";
import { VISIT } from "./agenda.js";
import { correct, hasManageLinks, renewLink } from "./correct.js";
import { nameOf, titleOf } from "./grid.js";
import { moveBlock } from "./move.js";
import { doing, field, openDialog } from "./parts.js";

const SEE = `query See($id: ID!) {
  appointment(id: $id) {
    ...Visit
    contact { locale channels }
    staffNotes
    cancellationReason
    quote: cancellationQuote { ...Quote }
    atRequest: cancellationQuote(atCustomersRequest: true) { ...Quote }
    price { amountMinor currency }
    fee { amountMinor currency }
    messages { kind channel recipient status dueAt sentAt detail }
    history { version kind occurredAt actor actorSubject fromStartsAt toStartsAt reason fromProviders { name } toProviders { name } }
  }
}`;
const QUOTE = `fragment Quote on CancellationQuote { allowed freeUntil fee { amountMinor currency } }`;
const ANSWER = `__typename
    ... on Appointment { ...Visit }
    ... on UserError { message }`;
const CANCEL = `mutation Cancel($input: CancelAppointmentInput!) { answer: cancelAppointment(input: $input) { ${ANSWER} } }`;
const NO_SHOW = `mutation NoShow($input: MarkNoShowInput!) { answer: markNoShow(input: $input) { ${ANSWER} } }`;
const COMPLETE = `mutation Complete($input: CompleteAppointmentInput!) { answer: completeAppointment(input: $input) { ${ANSWER} } }`;
const CANCEL_SESSION = `mutation CancelSession($input: CancelSessionInput!) {
  answer: cancelSession(input: $input) {
    __typename
    ... on Session { appointments(first: 100) { nodes { ...Visit } } }
    ... on UserError { message }
  }
}`;

export function openBlock(desk, block) {
  const [visit] = block.visits;
  if (visit.session && visit.status === "CONFIRMED") openClass(desk, block);
  else openVisit(desk, visit.id);
}

const fact = (name, value) => value && [h("dt", {}, t(name)), h("dd", {}, value)];
const when = (desk, instant) => times.fullText(times.wallIn(desk.zone, instant));

// ---------------------------------------------------------------- one visit

export async function openVisit(desk, id) {
  let visit;
  try {
    visit = (await desk.api.query(SEE + VISIT + QUOTE, { id })).appointment;
  } catch (problem) {
    return desk.done(problem.message);
  }
  if (!visit) return desk.done(t("gone"));
  const { contact, status } = visit;
  const open = status === "CONFIRMED" && visit.quote; // until it starts, by the server's clock
  const act = (document, words, input = {}) => doing(words, () => send(document, input));
  const send = async (document, input, undo) => {
    dialog.say(null);
    try {
      const { answer } = await desk.api.query(document + VISIT, { input: { appointmentId: id, expectedVersion: visit.version, ...input } });
      if (answer.message) return dialog.say(answer.message);
      dialog.close();
      const values = { name: nameOf(answer) };
      desk.done(t(`now_${answer.status}`, values), { visits: [answer], undo: undo ?? undoOf(desk, answer) });
    } catch (problem) {
      dialog.say(problem.message);
    }
  };
  const next = (action) => () => { dialog.close(); action(); };
  const actions = [
    open && h("button", { type: "button", class: "button", onclick: next(() => moveBlock(desk, { key: id, visits: [visit] })) }, t("move_open")),
    contact && h("button", { type: "button", class: "button", onclick: next(() => correct(desk, visit)) }, t("correct_open")),
    open && hasManageLinks() && h("button", { type: "button", class: "button", onclick: next(() => renewLink(desk, visit)) }, t("new_link_open")),
    open && h("button", { type: "button", class: "button danger", onclick: next(() => cancel(desk, visit)) }, t("cancel")),
    !open && ["CONFIRMED", "NO_SHOW"].includes(status) && act(COMPLETE, t("complete")),
    !open && ["CONFIRMED", "COMPLETED"].includes(status) && act(NO_SHOW, t("no_show")),
  ].filter(Boolean);
  const dialog = openDialog({
    title: nameOf(visit),
    wide: true,
    parts: [
      h("p", { class: "status", "data-status": status }, t(`status_${status}`)),
      h("dl", {},
        fact("column_time", `${when(desk, visit.startsAt)} – ${times.timeText(times.wallIn(desk.zone, visit.endsAt))}`),
        fact("what", visit.service?.name ?? t("appointment")),
        fact("seats_and_price", partyText(visit) || (visit.price && times.moneyText(visit.price))),
        fact("with", namesText(visit.providers)),
        fact("where", whereText(visit)),
        fact("email", contact?.email && h("a", { href: `mailto:${contact.email}` }, contact.email)),
        fact("phone", contact?.phone && h("a", { href: `tel:${contact.phone}` }, contact.phone)),
        fact("notes_desk", visit.notes),
        fact("staff_notes", visit.staffNotes),
        fact("reason", visit.cancellationReason),
        fact("fee", visit.fee && times.moneyText(visit.fee))),
      h("details", {}, h("summary", {}, t("messages")), list(visit.messages, (message) => messageText(desk, message))),
      h("details", {}, h("summary", {}, t("history")), list(visit.history, (entry) => historyText(desk, entry))),
    ],
    actions,
  });
}

const list = (items, text) => (items.length ? h("ol", { class: "log" }, items.map((item) => h("li", {}, text(item)))) : h("p", { class: "hint" }, t("none_yet")));

function messageText(desk, { kind, channel, recipient, status, dueAt, sentAt, detail }) {
  const what = `${t(`message_${kind}`)} · ${t(`to_${recipient}`)} · ${t(`by_${channel}`)}`;
  const fate = t(`message_${status}`, { time: when(desk, sentAt ?? dueAt) });
  return [what, h("br"), h("small", {}, [fate, detail].filter(Boolean).join(" · "))];
}

function historyText(desk, { kind, occurredAt, actor, actorSubject, fromStartsAt, toStartsAt, reason, fromProviders, toProviders }) {
  const moved = fromStartsAt && fromStartsAt !== toStartsAt && t("move_from_to", { from: when(desk, fromStartsAt), to: when(desk, toStartsAt) });
  const [before, after] = [namesText(fromProviders), namesText(toProviders)];
  const handed = before && before !== after && t("handed_over", { from: before, to: after });
  const who = [t(`actor_${actor}`), actorSubject].filter(Boolean).join(" ");
  return [`${t(`history_${kind}`)} · ${when(desk, occurredAt)}`, h("br"), h("small", {}, [who, moved, handed, reason].filter(Boolean).join(" · "))];
}

/** A completed visit can become a no-show and vice versa; a cancellation can't be undone. */
function undoOf(desk, visit) {
  const [document, input] = { NO_SHOW: [COMPLETE], COMPLETED: [NO_SHOW] }[visit.status] ?? [];
  if (!document) return null;
  return async () => {
    const { answer } = await desk.api.query(document + VISIT, { input: { appointmentId: visit.id, expectedVersion: visit.version, ...input } });
    if (answer.message) desk.done(answer.message);
    else desk.done(t(`now_${answer.status}`, { name: nameOf(answer) }), { visits: [answer] });
  };
}

/** Cancelling by the practice is free; if the customer asked for it, the policy applies, and the fee is shown first. */
function cancel(desk, visit) {
  const reason = h("textarea", { rows: 2, maxlength: 500 });
  const radio = (value, text, checked) => h("label", {}, h("input", { type: "radio", name: "who-cancels", value, checked }), " ", text);
  const { allowed, fee } = visit.atRequest;
  const cost = !allowed ? t("request_too_late") : fee ? t("request_costs", { fee: times.moneyText(fee) }) : t("request_free");
  const who = h("fieldset", { class: "choice-list" }, h("legend", {}, t("who_cancels")), radio("practice", t("practice_cancels"), true), radio("customer", cost, false));
  const yes = doing(t("cancel"), async () => {
    dialog.say(null);
    try {
      const atCustomersRequest = who.querySelector(":checked").value === "customer";
      const input = {
        appointmentId: visit.id, expectedVersion: visit.version, reason: reason.value.trim() || null,
        atCustomersRequest, acceptFeeMinor: atCustomersRequest ? fee?.amountMinor ?? 0 : 0,
      };
      const { answer } = await desk.api.query(CANCEL + VISIT, { input });
      if (answer.message) return dialog.say(answer.message);
      dialog.close();
      desk.done(t("now_CANCELLED", { name: nameOf(visit) }), { visits: [answer] });
    } catch (problem) {
      dialog.say(problem.message);
    }
  }, { kind: "button danger" });
  const dialog = openDialog({
    title: t("cancel_title", { name: nameOf(visit) }),
    parts: [h("p", {}, when(desk, visit.startsAt)), who, field(t("reason"), reason), h("p", { class: "hint" }, t("they_are_told"))],
    actions: [yes],
  });
  reason.focus();
}

// ---------------------------------------------------------------- a class

function openClass(desk, block) {
  const [first] = block.visits;
  const item = (visit) => h("li", {}, h("button", { type: "button", class: "link", onclick: () => { dialog.close(); openVisit(desk, visit.id); } }, nameOf(visit)), ` ${partyText(visit)}`);
  const reason = h("textarea", { rows: 2, maxlength: 500 });
  const cancelAll = doing(t("cancel_class"), async () => {
    dialog.say(null);
    try {
      const { answer } = await desk.api.query(CANCEL_SESSION + VISIT, { input: { sessionId: first.session.id, reason: reason.value.trim() || null } });
      if (answer.message) return dialog.say(answer.message);
      dialog.close();
      desk.done(t("class_cancelled", { name: titleOf(block) }), { visits: answer.appointments.nodes });
    } catch (problem) {
      dialog.say(problem.message);
    }
  }, { kind: "button danger" });
  const dialog = openDialog({
    title: titleOf(block),
    parts: [
      h("p", { class: "facts" }, `${when(desk, first.startsAt)} · ${namesText(first.providers)}`),
      h("ul", { class: "party" }, block.visits.map(item)),
      field(t("reason"), reason),
    ],
    actions: [
      h("button", { type: "button", class: "button", onclick: () => { dialog.close(); moveBlock(desk, block); } }, t("move_open")),
      cancelAll,
    ],
  });
}
