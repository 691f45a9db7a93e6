// Booking for somebody who called or walked in.

import { h } from "../dom.js";
import { newKey } from "../graphql.js";
import * as times from "../times.js";
import { LOCALE, t } from "../words.js";
import { VISIT } from "./agenda.js";
import { nameOf } from "./grid.js";
import { doing, fault, field, openDialog, select } from "./parts.js";
import { obstacles } from "./why.js";

const BOOK = `mutation Book($input: BookAppointmentInput!) {
  answer: bookAppointment(input: $input) {
    __typename
    ... on BookingConfirmation { appointment { ...Visit } }
    ... on SlotUnavailableError { reasons alternatives { startsAt providerId } }
    ... on InvalidInputError { field }
    ... on UserError { message }
  }
}`;
const EXPLAIN = `query Explain($startsAt: DateTime!, $provider: ID, $service: ID, $seats: Int!) {
  explainTime(startsAt: $startsAt, providerId: $provider, serviceId: $service, seats: $seats) { bookable reasons }
}`;

/** Where a click lands in a free stretch, the listed start at or before it; else the quarter of an hour that was clicked. */
function startFor({ agenda }, column, reading) {
  const slot = agenda.freeTimes(column).findLast(({ localStart, startsAt, endsAt }) => {
    const start = localStart.slice(0, 16);
    return start <= reading && reading < times.addMinutes(start, times.minutesBetween(startsAt, endsAt));
  });
  if (slot) return slot.localStart.slice(0, 16);
  const minute = Number(reading.slice(14, 16));
  return times.addMinutes(reading, -(minute % 15));
}

/** Opens the form, with what the click says filled in: a column, and a reading of the practice's clocks. */
export function book(desk, { column = null, reading = null }) {
  const { practice, zone, agenda, api } = desk;
  const provider = practice.provider(column)?.id ?? (column ? "" : practice.own ?? practice.columns.find(({ isProvider }) => isProvider)?.id ?? "");
  const start = reading ? startFor(desk, column, reading) : `${desk.shown.date}T09:00`;
  const name = h("input", { name: "name", autocomplete: "off", required: true, maxlength: 200 });
  const email = h("input", { name: "email", type: "email", autocomplete: "off", maxlength: 320 });
  const phone = h("input", { name: "phone", type: "tel", autocomplete: "off", maxlength: 40 });
  const notes = h("textarea", { name: "notes", rows: 2, maxlength: 2000 });
  const date = h("input", { name: "date", type: "date", value: times.dateOf(start), required: true });
  const time = h("input", { name: "time", type: "time", value: start.slice(11, 16), step: 300, required: true });
  const whom = select([["", t("anyone")], ...practice.providers.map((one) => [one.id, one.name])], provider, { name: "providerId" });
  const service = h("select", { name: "serviceId" });
  const seats = h("input", { name: "seats", type: "number", min: 1, max: 1000, value: 1 });
  const seatsField = field(t("number_of_seats"), seats);
  const verdict = h("p", { class: "verdict", role: "status" });
  const attempt = { request: null, key: null };

  const offerServices = () => {
    const chosen = service.value;
    const own = whom.value ? [["", `${t("appointment")} · ${times.durationText(practice.provider(whom.value).serviceDurationMinutes)}`]] : [];
    const options = [...practice.servicesOf(whom.value).map((one) => [one.id, `${one.name} · ${times.durationText(one.durationMinutes)}`]), ...own];
    service.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
    if (options.some(([value]) => value === chosen)) service.value = chosen;
    offerSeats();
  };
  const offerSeats = () => {
    const most = practice.service(service.value)?.seats ?? 1;
    seatsField.hidden = most === 1;
    seats.max = most;
  };
  const wish = () => ({
    providerId: whom.value || null,
    serviceId: service.value || null,
    seats: seatsField.hidden ? null : Number(seats.value),
    startsAt: times.instantIn(zone, `${date.value}T${time.value}`),
  });

  let asked = 0;
  /** Says beforehand whether the time is free, and why not. */
  const explain = async () => {
    inTheWay.clear();
    verdict.textContent = "";
    const run = (asked += 1);
    if (!date.value || !time.value || !(whom.value || service.value)) return;
    const { startsAt, providerId, serviceId, seats: party } = wish();
    const { explainTime: answer } = await api.query(EXPLAIN, { startsAt, provider: providerId, service: serviceId, seats: party ?? 1 }).catch(() => ({}));
    if (run !== asked || !answer) return;
    verdict.textContent = answer.bookable ? t("is_free") : answer.reasons.map((reason) => t(`why_${reason}`)).join(" ");
    verdict.dataset.free = String(answer.bookable);
  };
  const inTheWay = obstacles((slot) => {
    const local = times.wallIn(zone, slot.startsAt);
    [date.value, time.value] = [times.dateOf(local), local.slice(11, 16)];
    if (whom.value) whom.value = slot.providerId;
    explain();
    bookIt.focus();
  }, zone);
  const inputs = { name, email, phone, notes, startsAt: time, seats };

  const bookIt = doing(t("book"), async () => {
    dialog.say(null);
    for (const input of [name, email, phone, notes, date, time, seats]) fault(input, input.validationMessage);
    const wrong = [name, email, phone, date, time].find(({ validationMessage }) => validationMessage);
    if (wrong) return wrong.focus();
    const text = (input) => input.value.trim() || null;
    const customer = { name: text(name), email: text(email), phone: text(phone), locale: LOCALE };
    const input = { ...wish(), customer, customerTimeZone: zone, notes: text(notes) };
    const request = JSON.stringify(input);
    if (attempt.request !== request) Object.assign(attempt, { request, key: newKey() });
    try {
      const { answer } = await api.query(BOOK + VISIT, { input: { ...input, idempotencyKey: attempt.key } });
      const named = inputs[answer.field?.split(".").at(-1)];
      if (answer.appointment) return booked(answer.appointment);
      if (!named) return inTheWay.show(answer);
      fault(named, answer.message);
      named.focus();
    } catch (problem) {
      dialog.say(problem.kind === "offline" ? t("offline_book") : problem.message);
    }
  }, { kind: "primary", type: "submit" });

  const booked = (visit) => {
    dialog.close();
    const values = { name: nameOf(visit), time: times.fullText(times.wallIn(zone, visit.startsAt)) };
    desk.done(t("booked_for", values), { visits: [visit] });
  };

  const dialog = openDialog({
    title: t("book_title_desk"),
    parts: [h("form", { id: "book-form", novalidate: true, onsubmit: (event) => event.preventDefault() },
      h("div", { class: "row" }, field(t("date"), date), field(t("time"), time)),
      h("div", { class: "row" }, field(t("with"), whom), field(t("what"), service)),
      seatsField,
      verdict,
      inTheWay.element,
      field(t("name"), name),
      h("div", { class: "row" }, field(t("email"), email), field(t("phone"), phone)),
      field(t("notes_desk"), notes),
      h("p", { class: "actions" }, bookIt))],
  });
  whom.addEventListener("change", () => { offerServices(); explain(); });
  service.addEventListener("change", () => { offerSeats(); explain(); });
  for (const input of [date, time, seats]) input.addEventListener("change", explain);
  offerServices();
  explain();
  (reading ? name : date).focus();
}
