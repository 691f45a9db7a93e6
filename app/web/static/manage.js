// One appointment, for the holder of its link: see it, move it, cancel it. The secret is in the address, after the #.

import { calendarFile } from "./calendar-file.js";
import { Calendar } from "./calendar.js";
import { $, announce, h, showProblem, showSection } from "./dom.js";
import { movesOf } from "./free-times.js";
import { connect, newKey } from "./graphql.js";
import { movable } from "./policy.js";
import { SeatsInput } from "./seats-input.js";
import * as times from "./times.js";
import { goneText, hasSeats, namesText, partyText, priceOf, seatsText, whereText } from "./visit.js";
import { t, translatePage } from "./words.js";

const APPOINTMENT = `fragment Shown on Appointment {
  id calendarUid status startsAt endsAt localStart customerTimeZone version seats price { amountMinor currency }
  provider { id name timeZone maxAdvanceBookingDays }
  providers { name }
  resources { name kind }
  location { name address directions phone email }
  service { id name seats maxAdvanceBookingDays }
  contact { name }
  cancellationFee { amountMinor currency }
  cancellationQuote { ...Quote }
}
fragment Quote on CancellationQuote { freeUntil allowed fee { amountMinor currency } }`;
const SEE = `query See($id: ID!) { appointment(id: $id) { ...Shown } organization { name phone email } }`;
const CANCEL = `mutation Cancel($input: CancelAppointmentInput!) {
  cancelAppointment(input: $input) {
    __typename
    ... on Appointment { ...Shown }
    ... on CancellationFeeNotAcceptedError { quote { ...Quote } }
    ... on UserError { message }
  }
}`;
const MOVE = `mutation Move($input: RescheduleAppointmentInput!) {
  rescheduleAppointment(input: $input) {
    __typename
    ... on BookingConfirmation { appointment { ...Shown } }
    ... on SlotUnavailableError { reasons alternatives { startsAt } }
    ... on UserError { message }
  }
}`;

translatePage();
const { endpoint, booking } = document.body.dataset;
const secret = () => new URLSearchParams(location.hash.slice(1));
const api = connect(endpoint, () => ({ token: secret().get("token") }));

let appointment = null;
let calendar = null;
let practice = null;
let attempt = {}; // the same move again has the same key, so that it never moves twice

async function see() {
  showProblem(null);
  try {
    const id = secret().get("appointment");
    ({ appointment, organization: practice } = id ? await api.query(SEE + APPOINTMENT, { id }) : {});
    if (!appointment) throw new Error(t("no_such_link"));
    show();
    showSection("see");
  } catch (problem) {
    showProblem(problem.kind === "refused" ? t("invalid_link") : problem.message, see);
  }
}

function show(news, kind = "good") {
  const { status, provider, providers, location: place, service, seats, contact, localStart, customerTimeZone, cancellationQuote: quote, cancellationFee } = appointment;
  const what = service?.name ?? t("appointment");
  $("status").textContent = t(`status_${status}`);
  $("status").dataset.status = status;
  $("when").textContent = times.fullText(localStart);
  $("what").textContent = [what, t("zone_time", { zone: times.zoneText(customerTimeZone) })].join(" · ");
  $("party").textContent = partyText(appointment);
  $("with").textContent = t("with_whom", { names: namesText(providers) });
  $("place").textContent = whereText(appointment);
  $("directions").textContent = status === "CONFIRMED" ? (place?.directions ?? "") : "";
  $("reach").replaceChildren(...reachLinks());
  $("who").textContent = contact ? t("for_whom", { name: contact.name }) : "";
  const link = location.href;
  $("file").href = URL.createObjectURL(calendarFile({ ...appointment, title: `${what}: ${namesText(providers)}`, place: whereText(appointment), link }));
  $("actions").hidden = status !== "CONFIRMED" || !quote;
  $("cancel").hidden = !quote?.allowed;
  $("move").hidden = !movable(quote);
  const shared = hasSeats(service, seats);
  $("move").textContent = t(shared ? "change_time_or_seats" : "change_time");
  $("terms").textContent = status === "CANCELLED" ? "" : terms(quote);
  $("again").hidden = status !== "CANCELLED";
  $("again-link").href = `${booking}?${new URLSearchParams({ ...(providers.length === 1 && { provider: provider.id }), ...(service && { service: service.id }), ...(seats > 1 && { seats }) })}`;
  if (status === "CANCELLED" && cancellationFee) news ??= t("cancellation_cost", { fee: times.moneyText(cancellationFee) });
  $("news").hidden = !news;
  $("news").className = `notice ${kind}`;
  $("news").textContent = news ?? "";
}

/** The location's number and address, else the practice's own. */
const reachOf = (name) => appointment.location?.[name] ?? practice?.[name];

/** Links to call and write to the practice, if its number and address are known. */
function reachLinks() {
  const [phone, email] = [reachOf("phone"), reachOf("email")];
  const links = [phone && h("a", { href: `tel:${phone}` }, t("call", { phone })), email && h("a", { href: `mailto:${encodeURI(email)}` }, email)];
  return links.filter(Boolean).flatMap((link, at) => (at ? [" · ", link] : [link]));
}

function terms(quote) {
  if (!quote) return "";
  const until = times.fullText(times.wallIn(appointment.customerTimeZone, quote.freeUntil));
  if (!quote.allowed) return `${t("policy_late_refused")} ${t("contact_us", { name: [appointment.provider.name, reachOf("phone")].filter(Boolean).join(", ") })}`;
  if (quote.fee) return t("policy_late_fee", { fee: times.moneyText(quote.fee) });
  return Date.parse(quote.freeUntil) > Date.now() ? t("policy_free_until", { until }) : t("policy_free");
}

/** Asks, and resolves to whether the answer is yes. */
function confirmed({ title, text, yes, no, reason = false }) {
  const dialog = $("confirm");
  $("confirm-title").textContent = title;
  $("confirm-text").textContent = text;
  $("confirm-yes").textContent = yes;
  $("confirm-no").textContent = no;
  $("reason-line").hidden = !reason;
  dialog.returnValue = "no";
  dialog.showModal();
  $("confirm-no").focus();
  return new Promise((answer) => dialog.addEventListener("close", () => answer(dialog.returnValue === "yes"), { once: true }));
}

async function attemptTo(action) {
  showProblem(null);
  try {
    await action();
  } catch (problem) {
    showProblem(problem.kind === "offline" ? t("offline_retry") : problem.message, () => attemptTo(action));
  }
}

// ---------------------------------------------------------------- cancel

/** The fee is shown first; if it has changed in the meantime, the new one is shown, and the customer is asked again. */
async function cancel(quote = appointment.cancellationQuote) {
  const fee = quote.fee;
  const yes = await confirmed({
    title: t("cancel_question"),
    text: fee ? t("cancel_costs", { fee: times.moneyText(fee) }) : t("cancel_free"),
    yes: fee ? t("cancel_and_pay", { fee: times.moneyText(fee) }) : t("cancel"),
    no: t("keep_it"),
    reason: true,
  });
  if (!yes) return;
  await attemptTo(async () => {
    const input = { appointmentId: appointment.id, reason: $("reason").value.trim() || null, acceptFeeMinor: fee?.amountMinor ?? 0 };
    const { cancelAppointment: answer } = await api.query(CANCEL + APPOINTMENT, { input });
    if (answer.quote) return cancel(answer.quote);
    if (answer.message) return refused(answer.message);
    appointment = answer;
    show();
    showSection("see");
    announce(t("cancelled_announcement"));
  });
}

/** Something else happened to the appointment; shows the reason, and the appointment as it is now. */
async function refused(message) {
  const now = (await api.query(SEE + APPOINTMENT, { id: appointment.id })).appointment;
  appointment = now ?? appointment;
  calendar?.close();
  show(message, "problem");
  showSection("see");
}

// ---------------------------------------------------------------- move

let party = 1; // how many seats it is to have

/** What this many seats cost; the price per seat stays what it was at booking. */
const priceFor = (seats) => appointment.price && priceOf({ ...appointment.price, amountMinor: appointment.price.amountMinor / appointment.seats }, seats);

function pick() {
  const { providers, service, seats, localStart } = appointment;
  calendar ??= new Calendar($("calendar"), { api, zone: appointment.customerTimeZone, onPick: move });
  const facts = [times.fullText(localStart), service?.name ?? t("appointment"), hasSeats(service, seats) && seatsText(seats), t("with_whom", { names: namesText(providers) })];
  $("pick-facts").textContent = t("now_is", { what: facts.filter(Boolean).join(" · ") });
  $("seats-line").hidden = !hasSeats(service, seats);
  seatsInput.show(seats, Math.max(service?.seats ?? 1, seats));
  showSection("pick");
  showTimes(seats, times.dateOf(localStart));
}

/** The times to which it can be moved with this many seats, from this date on. */
function showTimes(seats, date) {
  const { provider, service } = appointment;
  const resized = seats !== appointment.seats;
  party = seats;
  $("seats-price").textContent = resized && appointment.price ? times.moneyText(priceFor(seats)) : "";
  $("same-time").hidden = !resized;
  $("same-time").textContent = resized ? t("same_time_again") : "";
  calendar.show({
    source: movesOf(appointment, seats),
    lastDate: times.addDays(times.today(provider.timeZone), (service?.maxAdvanceBookingDays ?? provider.maxAdvanceBookingDays) + 1),
    date,
    seats: hasSeats(service, appointment.seats),
  });
}

const seatsInput = new SeatsInput($("seats"), $("seats-error"), (seats) => showTimes(seats, calendar.date ?? times.dateOf(appointment.localStart)));

/** What changes, in words to agree to: the time, the number of seats, the price. */
function moveText(slot) {
  const moved = slot.startsAt !== appointment.startsAt;
  const resized = party !== appointment.seats;
  return [
    moved && t("move_from_to", { from: times.fullText(times.wallIn(calendar.zone, appointment.startsAt)), to: times.fullText(slot.localStart) }),
    resized && t("resize_from_to", { seats: seatsText(party), before: appointment.seats }),
    resized && appointment.price && t("new_price", { price: times.moneyText(priceFor(party)) }),
  ].filter(Boolean).join(" ");
}

async function move(slot) {
  const [seats, moved] = [party, slot.startsAt !== appointment.startsAt];
  const yes = await confirmed({ title: t(moved ? "move_question" : "resize_question"), text: moveText(slot), yes: t(moved ? "move_it" : "resize_it"), no: t("back") });
  if (!yes) return;
  await attemptTo(async () => {
    const input = { appointmentId: appointment.id, startsAt: slot.startsAt, seats, expectedVersion: appointment.version };
    const request = JSON.stringify(input);
    if (attempt.request !== request) attempt = { request, key: newKey() };
    const { rescheduleAppointment: answer } = await api.query(MOVE + APPOINTMENT, { input: { ...input, idempotencyKey: attempt.key } });
    if (answer.alternatives) return calendar.conflict(`${goneText(slot.localStart, answer.reasons)} ${t("stays")}`, answer.alternatives);
    if (answer.message) return refused(answer.message);
    appointment = answer.appointment;
    calendar.close();
    show(t(moved ? "moved" : "resized"));
    showSection("see");
  });
}

$("move").addEventListener("click", pick);
$("cancel").addEventListener("click", () => cancel());
$("keep-time").addEventListener("click", () => {
  calendar.close();
  showSection("see");
});
addEventListener("hashchange", see);
see();
