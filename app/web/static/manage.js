// One appointment, for whoever has its link: see it, move it, cancel it. The secret stands in the address, after the #.

import { calendarFile } from "./calendar-file.js";
import { Calendar } from "./calendar.js";
import { $, announce, showProblem, showSection } from "./dom.js";
import { connect, newKey } from "./graphql.js";
import * as times from "./times.js";

const APPOINTMENT = `fragment Shown on Appointment {
  id calendarUid status startsAt endsAt localStart customerTimeZone version
  provider { id name timeZone serviceDurationMinutes maxAdvanceBookingDays }
  service { id name durationMinutes maxAdvanceBookingDays }
  contact { name }
  cancellationFee { amountMinor currency }
  cancellationQuote { ...Quote }
}
fragment Quote on CancellationQuote { freeUntil allowed fee { amountMinor currency } }`;
const SEE = `query See($id: ID!) { appointment(id: $id) { ...Shown } }`;
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
    ... on SlotUnavailableError { alternatives { startsAt } }
    ... on UserError { message }
  }
}`;
const STATUS = { CONFIRMED: "Confirmed", CANCELLED: "Cancelled", COMPLETED: "Took place", NO_SHOW: "Missed" };

const { endpoint, booking } = document.body.dataset;
const secret = () => new URLSearchParams(location.hash.slice(1));
const api = connect(endpoint, () => ({ token: secret().get("token") }));

let appointment = null;
let calendar = null;
let attempt = {}; // the same move again has the same key, so that it never moves twice

async function see() {
  showProblem(null);
  try {
    const id = secret().get("appointment");
    appointment = id && (await api.query(SEE + APPOINTMENT, { id })).appointment;
    if (!appointment) throw new Error("This link opens no appointment. It may be incomplete, or the appointment is long past.");
    show();
    showSection("see");
  } catch (problem) {
    showProblem(problem.kind === "refused" ? "This link is not valid. It may be incomplete." : problem.message, see);
  }
}

function show(news, kind = "good") {
  const { status, provider, service, contact, localStart, customerTimeZone, cancellationQuote: quote, cancellationFee } = appointment;
  const what = service?.name ?? "Appointment";
  $("status").textContent = STATUS[status] ?? status;
  $("status").dataset.status = status;
  $("when").textContent = times.fullText(localStart);
  $("what").textContent = [what, provider.name, `${times.zoneText(customerTimeZone)} time`].join(" · ");
  $("who").textContent = contact ? `For ${contact.name}` : "";
  const link = location.href;
  $("file").href = URL.createObjectURL(calendarFile({ ...appointment, title: `${what}: ${provider.name}`, link }));
  $("actions").hidden = status !== "CONFIRMED" || !quote;
  $("cancel").disabled = !quote?.allowed;
  $("terms").textContent = status === "CANCELLED" ? "" : terms(quote);
  $("again").hidden = status !== "CANCELLED";
  $("again-link").href = `${booking}?${new URLSearchParams({ provider: provider.id, ...(service && { service: service.id }) })}`;
  if (status === "CANCELLED" && cancellationFee) news ??= `The cancellation costs ${times.moneyText(cancellationFee)}.`;
  $("news").hidden = !news;
  $("news").className = `notice ${kind}`;
  $("news").textContent = news ?? "";
}

function terms(quote) {
  if (!quote) return "";
  const until = times.fullText(times.wallIn(appointment.customerTimeZone, quote.freeUntil));
  if (!quote.allowed) return `It could be cancelled until ${until}. Please get in touch with ${appointment.provider.name}.`;
  if (quote.fee) return `Cancelling was free until ${until}; now it costs ${times.moneyText(quote.fee)}.`;
  return Date.parse(quote.freeUntil) > Date.now() ? `Cancelling is free until ${until}.` : "Cancelling is free.";
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
    showProblem(problem.kind === "offline" ? "No connection. Nothing is lost: try again." : problem.message, () => attemptTo(action));
  }
}

// ---------------------------------------------------------------- cancel

/** The fee is shown before; should it have changed meanwhile, the new one is shown, and asked about again. */
async function cancel(quote = appointment.cancellationQuote) {
  const fee = quote.fee;
  const yes = await confirmed({
    title: "Cancel this appointment?",
    text: fee ? `It costs ${times.moneyText(fee)} to cancel now.` : "It costs nothing.",
    yes: fee ? `Cancel and pay ${times.moneyText(fee)}` : "Cancel it",
    no: "Keep it",
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
    announce("Your appointment is cancelled.");
  });
}

/** Something else happened to the appointment; what is shown is brought up to date beside the reason. */
async function refused(message) {
  const now = (await api.query(SEE + APPOINTMENT, { id: appointment.id })).appointment;
  appointment = now ?? appointment;
  calendar?.close();
  show(message, "problem");
  showSection("see");
}

// ---------------------------------------------------------------- move

function pick() {
  const { provider, service, localStart } = appointment;
  calendar ??= new Calendar($("calendar"), { api, zone: appointment.customerTimeZone, onPick: move });
  $("pick-facts").textContent = `Now: ${times.fullText(localStart)} · ${service?.name ?? "Appointment"} · ${provider.name}`;
  showSection("pick");
  calendar.show({
    providerId: provider.id,
    serviceId: service?.id ?? null,
    lastDate: times.addDays(times.today(provider.timeZone), (service?.maxAdvanceBookingDays ?? provider.maxAdvanceBookingDays) + 1),
    date: times.dateOf(localStart),
  });
}

async function move(slot) {
  const yes = await confirmed({ title: "Move the appointment?", text: `From ${times.fullText(times.wallIn(calendar.zone, appointment.startsAt))} to ${times.fullText(slot.localStart)}.`, yes: "Move it", no: "Back" });
  if (!yes) return;
  await attemptTo(async () => {
    const input = { appointmentId: appointment.id, startsAt: slot.startsAt, expectedVersion: appointment.version };
    const request = JSON.stringify(input);
    if (attempt.request !== request) attempt = { request, key: newKey() };
    const { rescheduleAppointment: answer } = await api.query(MOVE + APPOINTMENT, { input: { ...input, idempotencyKey: attempt.key } });
    if (answer.alternatives) return calendar.conflict(`${times.timeText(slot.localStart)} has just been taken. Your appointment stays as it was.`, answer.alternatives);
    if (answer.message) return refused(answer.message);
    appointment = answer.appointment;
    calendar.close();
    show("Moved. The link to this page stays the same.");
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
