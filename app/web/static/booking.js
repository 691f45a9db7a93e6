// The booking page: choose what, choose when, say who you are, done. The time is held while the form is filled in.

import { calendarFile } from "./calendar-file.js";
import { Calendar } from "./calendar.js";
import { $, announce, h, showProblem, showSection } from "./dom.js";
import { connect, newKey } from "./graphql.js";
import { policyText, ruleText } from "./policy.js";
import * as times from "./times.js";
import { LOCALE, t, tn, translatePage } from "./words.js";

const OFFERS = `query Offers($search: String, $zone: TimeZone!) {
  providers(first: 24, search: $search) {
    nodes { ...Bookable }
    pageInfo { hasNextPage }
  }
}`;
const PROVIDER = `query Provider($id: ID!, $service: ID, $zone: TimeZone!) {
  provider(id: $id) { ...Bookable first: nextAvailableSlot(serviceId: $service, timeZone: $zone) { localStart } }
}`;
const BOOKABLE = `fragment Bookable on Provider {
  id name timeZone serviceDurationMinutes maxAdvanceBookingDays cancellationPolicy { ...Policy }
  services { id name durationMinutes maxAdvanceBookingDays price { amountMinor currency } cancellationPolicy { ...Policy } }
  nextAvailableSlot(timeZone: $zone) { localStart }
}`;
const BOOKED = `fragment Booked on Appointment {
  id calendarUid status startsAt endsAt localStart customerTimeZone version contact { email }
  provider { id name cancellationPolicy { ...Policy } }
  service { id name price { amountMinor currency } cancellationPolicy { ...Policy } }
}`;
const POLICY = `fragment Policy on CancellationPolicy {
  freeUntilMinutesBefore lateCancellation lateFee { amountMinor currency } lateFeePercent
}`;
const SEE = `query See($id: ID!) { appointment(id: $id) { ...Booked } }`;
const HOLD = `mutation Hold($input: HoldSlotInput!) {
  holdSlot(input: $input) {
    __typename
    ... on Hold { holdToken startsAt expiresAt }
    ... on SlotUnavailableError { alternatives { startsAt } }
    ... on UserError { message }
  }
}`;
const RELEASE = `mutation Release($input: ReleaseHoldInput!) { releaseHold(input: $input) { __typename } }`;
const BOOK = `mutation Book($input: BookAppointmentInput!) {
  bookAppointment(input: $input) {
    __typename
    ... on BookingConfirmation {
      manageToken
      appointment { ...Booked }
    }
    ... on SlotUnavailableError { alternatives { startsAt } }
    ... on HoldExpiredError { alternatives { startsAt } }
    ... on InvalidInputError { field }
    ... on UserError { message }
  }
}`;

const { endpoint, manage } = document.body.dataset;
const organization = new URLSearchParams(location.search).get("organization") ?? "";
const api = connect(endpoint, () => ({ organization }));
const form = $("form");
translatePage();
const zone = times.myZone();
const calendar = new Calendar($("calendar"), { api, zone, onPick: holdAndGoOn });

let chosen = null; // { provider, service }: service is null where the provider offers no named ones
let held = null; // { holdToken, startsAt, localStart, expiresAt }
let attempt = {}; // { request, key }: the same request again has the same key, so that it never books twice

const minutes = (provider, service) => (service ?? { durationMinutes: provider.serviceDurationMinutes }).durationMinutes;
const facts = (provider, service) =>
  [times.durationText(minutes(provider, service)), service?.price && times.moneyText(service.price)].filter(Boolean).join(" · ");
/** The policy in force: the service's own, else the provider's. */
const policy = ({ provider, service }) => service?.cancellationPolicy ?? provider.cancellationPolicy;
const title = ({ provider, service }) => [service?.name ?? t("appointment"), provider.name, facts(provider, service)].join(" · ");

// ---------------------------------------------------------------- where we are: the address tells, so that Back and links work

function address({ provider, service } = {}) {
  const query = new URLSearchParams({ ...(organization && { organization }), ...(provider && { provider }), ...(service && { service }) });
  return `${location.pathname}${query.size ? `?${query}` : ""}`;
}

function go(step, where) {
  where ??= step === "choose" ? {} : { provider: chosen.provider.id, service: chosen.service?.id };
  history.pushState({ step }, "", address(where));
  return arrive();
}

/** The booked appointment and its secret, from the address: a reload shows the confirmation again. */
const secret = () => new URLSearchParams(location.hash.slice(1));

async function arrive() {
  showProblem(null);
  const query = new URLSearchParams(location.search);
  if (history.state?.step === "details" && held) return showSection("details");
  try {
    await release();
    if (secret().has("appointment")) await seeBooked();
    else if (query.has("provider")) await pick(query.get("provider"), query.get("service"));
    else await choose();
  } catch (problem) {
    showProblem(problem.message, arrive);
  }
}

addEventListener("popstate", arrive);
addEventListener("pagehide", () => release({ keepalive: true }));
addEventListener("pageshow", ({ persisted }) => persisted && arrive());
document.addEventListener("click", (event) => {
  const link = event.target.closest("[data-step]");
  if (!link || event.ctrlKey || event.metaKey || event.shiftKey) return;
  event.preventDefault();
  const { step, provider, service } = link.dataset;
  go(step, provider && { provider, service });
});

// ---------------------------------------------------------------- what

async function choose() {
  calendar.close();
  showSection("choose");
  const search = $("search").value.trim();
  const list = $("offers");
  if (!list.children.length) list.replaceChildren(...Array.from({ length: 3 }, () => h("li", { class: "card waiting", "aria-hidden": "true" })));
  list.setAttribute("aria-busy", "true");
  const { providers } = await api.query(OFFERS + BOOKABLE + POLICY, { search: search || null, zone }).catch((problem) => {
    if (problem.data?.providers) return problem.data; // who there is, without when they are free
    throw problem;
  });
  list.removeAttribute("aria-busy");
  if (search !== $("search").value.trim()) return;
  $("search-line").hidden &&= !providers.pageInfo.hasNextPage && providers.nodes.length < 6;
  list.replaceChildren(...providers.nodes.map(offer));
  if (!providers.nodes.length) list.append(h("li", { class: "notice" }, search ? t("nobody_called", { name: search }) : t("nothing_to_book")));
  if (search) announce(tn("found", providers.nodes.length));
}

function offer(provider) {
  const next = provider.nextAvailableSlot?.localStart;
  const rows = provider.services.length ? provider.services : [null];
  return h("li", { class: "card" },
    h("h2", {}, provider.name),
    next && h("p", { class: "facts" }, t("next_free_at", { date: times.shortDateText(times.dateOf(next)), time: times.timeText(next) })),
    h("ul", {}, rows.map((service) => h("li", {}, h("a", {
      href: address({ provider: provider.id, service: service?.id }),
      "data-step": "pick", "data-provider": provider.id, "data-service": service?.id,
    }, h("span", {}, service?.name ?? t("appointment")), h("small", {}, facts(provider, service)))))));
}

let typing;
$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => choose().catch((problem) => showProblem(problem.message, arrive)), 250);
});

// ---------------------------------------------------------------- when

async function pick(providerId, serviceId) {
  showSection("pick");
  if (calendar.shows(providerId, serviceId)) return; // back from the form: the same month, the same day
  calendar.close();
  $("pick-facts").textContent = "…";
  const { provider } = await api.query(PROVIDER + BOOKABLE + POLICY, { id: providerId, service: serviceId, zone: calendar.zone });
  if (!provider) throw new Error(t("not_bookable"));
  const service = provider.services.find(({ id }) => id === serviceId) ?? null;
  chosen = { provider, service };
  $("pick-facts").textContent = title(chosen);
  $("pick-policy").textContent = ruleText(policy(chosen), service?.price);
  const today = times.today(provider.timeZone);
  calendar.show({
    providerId,
    serviceId,
    lastDate: times.addDays(today, (service?.maxAdvanceBookingDays ?? provider.maxAdvanceBookingDays) + 1),
    date: times.dateOf(provider.first?.localStart ?? today),
  });
}

async function hold({ startsAt, localStart }) {
  const input = { providerId: chosen.provider.id, serviceId: chosen.service?.id ?? null, startsAt, idempotencyKey: newKey() };
  const { holdSlot: answer } = await api.query(HOLD, { input });
  if (answer.holdToken) held = { ...answer, localStart };
  return answer;
}

const sorry = (localStart, answer) =>
  answer.alternatives ? t("just_taken", { time: times.timeText(localStart) }) : answer.message;

async function holdAndGoOn(slot) {
  try {
    const answer = await hold(slot);
    if (!held) return calendar.conflict(sorry(slot.localStart, answer), answer.alternatives ?? []);
    details();
    go("details");
  } catch (problem) {
    showProblem(problem.message, () => { showProblem(null); holdAndGoOn(slot); });
  }
}

function release(options = {}) {
  if (!held?.holdToken) return;
  const { holdToken } = held;
  held = null;
  return api.query(RELEASE, { input: { holdToken } }, options).catch(() => {}); // it expires by itself
}

// ---------------------------------------------------------------- who

function details() {
  $("summary-when").textContent = times.fullText(held.localStart);
  $("summary-what").textContent = `${title(chosen)} · ${t("zone_time", { zone: times.zoneText(calendar.zone) })}`;
  $("summary-policy").textContent = policyText(policy(chosen), chosen.service?.price, held.startsAt, calendar.zone);
  $("taken").hidden = true;
  countDown();
}

let ticking;
function countDown() {
  clearTimeout(ticking);
  if (!held) return;
  const left = Math.max(0, Math.ceil((Date.parse(held.expiresAt) - Date.now()) / 1000));
  $("kept").textContent = left
    ? t("kept_for", { left: `${Math.floor(left / 60)}:${String(left % 60).padStart(2, "0")}` })
    : t("no_longer_kept");
  if (left === 60) announce(t("last_minute"));
  if (left) ticking = setTimeout(countDown, 1000);
  else held.holdToken = null;
}

function fault(field, message) {
  const input = form.elements[field];
  input.setAttribute("aria-invalid", String(Boolean(message)));
  $(`${field}-error`).textContent = message ?? "";
}

function faults() {
  const fields = [...form.elements].filter(({ name }) => name);
  for (const field of fields) fault(field.name, field.validationMessage);
  return fields.find(({ validationMessage }) => validationMessage);
}

function formProblem(message) {
  $("form-problem").hidden = !message;
  $("form-problem").textContent = message ?? "";
}

form.addEventListener("input", ({ target }) => target.getAttribute("aria-invalid") === "true" && fault(target.name, target.validationMessage));

form.addEventListener("submit", async (event) => {
  event.preventDefault();
  formProblem(null);
  const first = faults();
  if (first) return first.focus();
  const { name, email, phone, notes } = Object.fromEntries([...new FormData(form)].map(([key, value]) => [key, value.trim() || null]));
  const input = {
    providerId: chosen.provider.id,
    serviceId: chosen.service?.id ?? null,
    holdToken: held.holdToken,
    startsAt: held.startsAt,
    durationMinutes: minutes(chosen.provider, chosen.service),
    customer: { name, email, phone, locale: LOCALE },
    customerTimeZone: calendar.zone,
    notes,
  };
  const request = JSON.stringify(input);
  if (attempt.request !== request) attempt = { request, key: newKey() };
  $("book").disabled = true;
  try {
    const { bookAppointment: answer } = await api.query(BOOK + BOOKED + POLICY, { input: { ...input, idempotencyKey: attempt.key } });
    if (answer.appointment) booked(answer);
    else refused(answer);
  } catch (problem) {
    formProblem(problem.kind === "offline" ? t("offline_book") : problem.message);
  } finally {
    $("book").disabled = false;
  }
});

function refused(answer) {
  const field = answer.field?.split(".").at(-1);
  if (field && form.elements[field]) {
    fault(field, answer.message);
    form.elements[field].focus();
  } else if (answer.alternatives) {
    taken(held.localStart, answer);
  } else {
    formProblem(answer.message);
  }
}

/** The time is gone although the form is filled in: another is one click away, and what was typed stays. */
function taken(localStart, answer) {
  const again = async (slot) => {
    try {
      const next = await hold(slot);
      if (!next.holdToken) return taken(slot.localStart, next);
      details();
      announce(t("now_kept", { time: times.fullText(held.localStart) }));
      $("book").focus();
    } catch (problem) {
      formProblem(problem.message);
    }
  };
  const slots = (answer.alternatives ?? []).map(({ startsAt }) => ({ startsAt, localStart: times.wallIn(calendar.zone, startsAt) }));
  const day = times.dateOf(localStart);
  const label = (slot) => (times.dateOf(slot.localStart) === day ? "" : `${times.shortDateText(times.dateOf(slot.localStart))}, `) + times.timeText(slot.localStart);
  held.holdToken = null;
  clearTimeout(ticking);
  $("kept").textContent = "";
  const message = h("p", { tabindex: "-1" }, sorry(localStart, answer) + (slots.length ? ` ${t("nearest")}` : ""));
  $("taken").replaceChildren(message, h("ul", { class: "slots" }, slots.map((slot) => h("li", {}, h("button", { type: "button", onclick: () => again(slot) }, label(slot))))));
  $("taken").hidden = false;
  message.focus();
}

// ---------------------------------------------------------------- done

/** The address now carries the appointment and its secret after the #, where browsers keep it to themselves. */
function booked({ appointment, manageToken }) {
  held = null;
  attempt = {};
  calendar.close();
  form.reset();
  const hash = new URLSearchParams({ appointment: appointment.id, token: manageToken });
  history.replaceState({ step: "done" }, "", `${address()}#${hash}`);
  done(appointment);
}

async function seeBooked() {
  calendar.close();
  const { appointment } = await connect(endpoint, () => ({ token: secret().get("token") })).query(SEE + BOOKED + POLICY, { id: secret().get("appointment") });
  if (!appointment) throw new Error(t("no_such_link"));
  done(appointment);
}

function done(appointment) {
  const { provider, service, localStart, customerTimeZone, startsAt, contact } = appointment;
  const link = new URL(manage, location.href);
  link.hash = location.hash;
  const what = service?.name ?? t("appointment");
  $("done-when").textContent = times.fullText(localStart);
  $("done-what").textContent = [what, provider.name, t("zone_time", { zone: times.zoneText(customerTimeZone) })].join(" · ");
  $("done-policy").textContent = policyText(policy(appointment), service?.price, startsAt, customerTimeZone);
  $("done-written").hidden = !contact?.email;
  $("done-written").textContent = contact?.email ? t("written", { email: contact.email }) : "";
  $("manage").href = link;
  $("copy").textContent = t("copy");
  $("copy").hidden = !navigator.clipboard; // browsers offer it over https only
  $("file").href = URL.createObjectURL(calendarFile({ ...appointment, title: `${what}: ${provider.name}`, link: link.href }));
  $("copy").onclick = () => navigator.clipboard.writeText(link.href).then(() => { $("copy").textContent = t("copied"); });
  showSection("done");
}

arrive();
