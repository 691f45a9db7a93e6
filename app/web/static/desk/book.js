// Booking for somebody who called or walked in.

import { h } from "../dom.js";
import { newKey } from "../graphql.js";
import * as times from "../times.js";
import { locationText } from "../visit.js";
import { t } from "../words.js";
import { VISIT } from "./agenda.js";
import { nameOf } from "./grid.js";
import { doing, fault, field, openDialog, select } from "./parts.js";
import { PersonField } from "./person.js";
import { Obstacles } from "./why.js";

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

/** Opens the form, filled in with the column and the wall-clock time that were clicked, or with the customer. */
export function book(desk, { column = null, reading = null, customer = null }) {
  const { practice, zone, api } = desk;
  const anyColumn = practice.own ?? practice.columns.find(({ isProvider }) => isProvider)?.id ?? "";
  const start = reading ? startFor(desk, column, reading) : `${desk.shown.date}T09:00`;
  const date = h("input", { type: "date", value: times.dateOf(start), required: true });
  const time = h("input", { type: "time", value: start.slice(11, 16), step: 300, required: true });
  const whom = select([["", t("anyone")], ...practice.providers.map((one) => [one.id, one.name])], practice.provider(column)?.id ?? (column ? "" : anyColumn));
  const service = h("select");
  const seats = h("input", { type: "number", min: 1, max: 1000, value: 1 });
  const notes = h("textarea", { rows: 2, maxlength: 2000 });
  const person = new PersonField(desk, customer);
  const seatsField = field(t("number_of_seats"), seats);
  const place = h("p", { class: "hint" });
  const verdict = h("p", { class: "verdict", role: "status" });
  const attempt = { request: null, key: null }; // the same booking again has the same key, so that it is never booked twice

  const offerServices = () => {
    const chosen = service.options.length ? service.value : null; // "" is a visit without a service
    const own = whom.value ? [["", `${t("appointment")} · ${times.durationText(practice.provider(whom.value).serviceDurationMinutes)}`]] : [];
    const options = [...practice.servicesOf(whom.value).map((one) => [one.id, `${one.name} · ${times.durationText(one.durationMinutes)}`]), ...own];
    service.replaceChildren(...options.map(([value, text]) => h("option", { value }, text)));
    if (options.some(([value]) => value === chosen)) service.value = chosen;
    offerSeats();
  };
  const offerSeats = () => {
    seats.max = practice.service(service.value)?.seats ?? 1;
    seatsField.hidden = seats.max === "1";
    place.textContent = locationText(practice.service(service.value)?.location ?? practice.provider(whom.value)?.location);
  };
  const wish = () => ({
    providerId: whom.value || null,
    serviceId: service.value || null,
    seats: seatsField.hidden ? null : Number(seats.value),
    startsAt: times.instantIn(zone, `${date.value}T${time.value}`),
  });

  let asked = 0;
  /** Says in advance whether the time is free, and why not. */
  const explain = async () => {
    inTheWay.clear();
    verdict.textContent = "";
    const run = (asked += 1);
    if (!date.value || !time.value || !(whom.value || service.value)) return;
    const { startsAt, providerId, serviceId, seats: party } = wish();
    const { explainTime: answer } = await api.query(EXPLAIN, { startsAt, provider: providerId, service: serviceId, seats: party ?? 1 }).catch(() => ({}));
    if (run !== asked || !answer) return;
    if (answer.bookable) verdict.textContent = t("is_free");
    else inTheWay.show({ message: answer.reasons.map((reason) => t(`why_${reason}`)).join(" "), reasons: answer.reasons });
  };
  const inTheWay = new Obstacles(zone, (slot) => {
    const local = times.wallIn(zone, slot.startsAt);
    [date.value, time.value] = [times.dateOf(local), local.slice(11, 16)];
    if (whom.value) whom.value = slot.providerId;
    explain();
    bookIt.focus();
  });

  const bookIt = doing(t("book"), async () => {
    dialog.say(null);
    for (const input of [date, time, seats, notes]) fault(input, input.validationMessage);
    const wrong = [date, time, ...(seatsField.hidden ? [] : [seats])].find(({ validationMessage }) => validationMessage);
    if (wrong) return wrong.focus();
    try {
      const customerId = await person.customerId();
      if (!customerId) return;
      const input = { ...wish(), customerId, customerTimeZone: zone, notes: notes.value.trim() || null, ignore: inTheWay.ignored };
      const request = JSON.stringify(input);
      if (attempt.request !== request) Object.assign(attempt, { request, key: newKey() });
      const { answer } = await api.query(BOOK + VISIT, { input: { ...input, idempotencyKey: attempt.key } });
      if (answer.appointment) return booked(answer.appointment);
      const named = { notes, startsAt: time, seats }[answer.field];
      if (!named) return refused(answer);
      fault(named, answer.message);
      named.focus();
    } catch (problem) {
      dialog.say(problem.kind === "offline" ? t("offline_book") : problem.message);
    }
  }, { kind: "primary", type: "submit" });

  const refused = (answer) => {
    asked += 1; // what was asked before the attempt is no longer news
    verdict.textContent = "";
    inTheWay.show(answer, date.value);
  };
  const booked = (visit) => {
    dialog.close();
    const values = { name: nameOf(visit), time: times.fullText(times.wallIn(zone, visit.startsAt)) };
    desk.done(t("booked_for", values), { visits: [visit] });
  };

  const dialog = openDialog({
    title: t("book_title_desk"),
    form: true,
    parts: [
      h("div", { class: "row" }, field(t("date"), date), field(t("time"), time)),
      h("div", { class: "row" }, field(t("with"), whom), field(t("what"), service)),
      seatsField,
      place,
      verdict,
      inTheWay.element,
      person.element,
      field(t("notes_desk"), notes),
    ],
    actions: [bookIt],
  });
  whom.addEventListener("change", () => { offerServices(); explain(); });
  service.addEventListener("change", () => { offerSeats(); explain(); });
  for (const input of [date, time, seats]) input.addEventListener("change", explain);
  offerServices();
  explain();
  if (reading) person.focus();
  else date.focus();
}
