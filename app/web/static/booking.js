// The booking page: choose what, choose when, say who you are, done. The time is held while the form is filled in.

import { calendarFile } from "./calendar-file.js";
import { Calendar } from "./calendar.js";
import { $, announce, h, showProblem, showSection } from "./dom.js";
import { timesOf } from "./free-times.js";
import { connect, newKey } from "./graphql.js";
import { policyText, ruleText } from "./policy.js";
import { SeatsInput } from "./seats-input.js";
import * as times from "./times.js";
import { goneText, hasSeats, locationText, namesText, partyText, priceOf, whereText } from "./visit.js";
import { LOCALE, t, tn, translatePage } from "./words.js";

const OFFERS = `query Offers($search: String, $zone: TimeZone!) {
  services(first: 24, search: $search) {
    nodes { ...Offered providersNeeded providers { name } next: nextAvailableSlot(timeZone: $zone) { localStart } }
    pageInfo { hasNextPage }
  }
  providers(first: 24, search: $search) {
    nodes { id name serviceDurationMinutes services { ...Offered } next: nextAvailableSlot(timeZone: $zone) { localStart } }
    pageInfo { hasNextPage }
  }
}`;
const SERVICE = `query Service($id: ID!, $providers: [ID!], $seats: Int!, $zone: TimeZone!) {
  service(id: $id) {
    ...Offered description location { name address } providersNeeded maxAdvanceBookingDays cancellationPolicy { ...Policy } providers { ...Person }
    next: nextAvailableSlot(timeZone: $zone, providerIds: $providers, seats: $seats) { localStart }
  }
}`;
const PROVIDER = `query Provider($id: ID!, $zone: TimeZone!) {
  provider(id: $id) { ...Person serviceDurationMinutes next: nextAvailableSlot(timeZone: $zone) { localStart } }
}`;
const OFFERED = `fragment Offered on Service { id name durationMinutes seats price { amountMinor currency } }`;
const PERSON = `fragment Person on Provider { id name description location { name address } timeZone maxAdvanceBookingDays cancellationPolicy { ...Policy } }`;
const BOOKED = `fragment Booked on Appointment {
  id calendarUid status createdAt startsAt endsAt localStart customerTimeZone version seats price { amountMinor currency } contact { email }
  provider { cancellationPolicy { ...Policy } }
  location { name address }
  providers { name }
  resources { name kind }
  service { name seats cancellationPolicy { ...Policy } }
}`;
const POLICY = `fragment Policy on CancellationPolicy {
  freeUntilMinutesBefore lateCancellation lateFee { amountMinor currency } lateFeePercent graceMinutes chargesNoShow
}`;
const SEE = `query See($id: ID!) { appointment(id: $id) { ...Booked } }`;
const HOLD = `mutation Hold($input: HoldSlotInput!) {
  holdSlot(input: $input) {
    __typename
    ... on Hold { holdToken startsAt expiresAt providers { name cancellationPolicy { ...Policy } } }
    ... on SlotUnavailableError { reasons alternatives { startsAt } }
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
    ... on SlotUnavailableError { reasons alternatives { startsAt } }
    ... on HoldExpiredError { alternatives { startsAt } }
    ... on InvalidInputError { field }
    ... on UserError { message }
  }
}`;

const MOST_SEATS = 1000; // of any service

const { endpoint, manage } = document.body.dataset;
const organization = new URLSearchParams(location.search).get("organization") ?? "";
const api = connect(endpoint, () => ({ organization }));
const form = $("form");
translatePage();
const zone = times.myZone();
const calendar = new Calendar($("calendar"), { api, zone, onPick: holdAndGoOn });

let chosen = null; // { service, provider, providers, seats }: without a service, the provider's own time; without a provider, any free one
let held = null; // { holdToken, startsAt, localStart, expiresAt, providers }
let attempt = {}; // { request, key }: the same request again has the same key, so that it never books twice

const minutes = ({ service, provider }) => service?.durationMinutes ?? provider.serviceDurationMinutes;
const joined = (texts) => texts.filter(Boolean).join(" · ");
/** How many people a visit takes at once. */
const needed = ({ providersNeeded, providers }) => providersNeeded ?? providers.length;
const teamText = (service) => needed(service) > 1 && t("team", { count: needed(service) });
const facts = ({ service, provider }) => {
  const price = service?.price && times.moneyText(service.price);
  return joined([times.durationText(minutes({ service, provider })), price && hasSeats(service) ? t("per_seat", { price }) : price]);
};
const title = (what) => joined([what.service?.name ?? t("appointment"), facts(what)]);
/** What the chosen service costs for all seats; null where it says no price. */
const total = () => priceOf(chosen.service?.price, chosen.seats);

/** The policy in force with each of these leads: the service's own, else the provider's; null where it depends on who it will be. */
function policy(service, leads) {
  const [first, ...others] = leads.map(({ cancellationPolicy }) => service?.cancellationPolicy ?? cancellationPolicy);
  return others.every((other) => JSON.stringify(other) === JSON.stringify(first)) ? first : null;
}

// ---------------------------------------------------------------- where we are is in the address, so that Back and links work

function address({ provider, service, seats = 1 } = {}) {
  const query = new URLSearchParams({
    ...(organization && { organization }), ...(provider && { provider }), ...(service && { service }), ...(seats > 1 && { seats }),
  });
  return `${location.pathname}${query.size ? `?${query}` : ""}`;
}

const place = () => ({ provider: chosen.provider?.id, service: chosen.service?.id, seats: chosen.seats });

function go(step, where) {
  where ??= step === "choose" ? {} : place();
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
    else if (query.has("provider") || query.has("service")) await pick(query.get("provider"), query.get("service"), Number(query.get("seats")));
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
  go(step, (provider || service) && { provider, service });
});

// ---------------------------------------------------------------- what

async function choose() {
  calendar.close();
  showSection("choose");
  const search = $("search").value.trim();
  if (!$("services").children.length && !$("people").children.length) {
    $("services").replaceChildren(...Array.from({ length: 3 }, () => h("li", { class: "card waiting", "aria-hidden": "true" })));
  }
  $("choose").setAttribute("aria-busy", "true");
  const answer = await api.query(OFFERS + OFFERED, { search: search || null, zone }).catch((problem) => {
    if (problem.data?.services || problem.data?.providers) return problem.data; // what there is, without when it is free
    throw problem;
  });
  $("choose").removeAttribute("aria-busy");
  if (search !== $("search").value.trim()) return;
  const pages = [answer.services, answer.providers].filter(Boolean);
  const services = (answer.services?.nodes ?? []).filter(({ providers }) => providers.length);
  const people = answer.providers?.nodes ?? [];
  const found = services.length + people.length;
  $("search-line").hidden &&= !pages.some(({ pageInfo }) => pageInfo.hasNextPage) && found < 6;
  $("services").replaceChildren(...services.map(serviceCard));
  $("people").replaceChildren(...people.map(personCard));
  $("person-title").hidden = !services.length || !people.length;
  $("nothing").hidden = found > 0;
  $("nothing").textContent = found ? "" : search ? t("nothing_found", { name: search }) : t("nothing_to_book");
  if (search) announce(tn("found", found));
}

const nextText = ({ next }) => next && t("next_free_at", { date: times.shortDateText(times.dateOf(next.localStart)), time: times.timeText(next.localStart) });
const link = (where, ...children) =>
  h("a", { href: address(where), "data-step": "pick", "data-provider": where.provider, "data-service": where.service }, children);

function serviceCard(service) {
  return h("li", {}, link({ service: service.id },
    h("h2", {}, service.name),
    h("p", { class: "facts" }, joined([facts({ service }), teamText(service)])),
    h("p", { class: "hint" }, nextText(service))));
}

function personCard(provider) {
  const rows = provider.services.length ? provider.services : [null];
  const next = nextText(provider);
  return h("li", { class: "card" },
    h("h3", {}, provider.name),
    next && h("p", { class: "facts" }, next),
    h("ul", {}, rows.map((service) => h("li", {}, link({ provider: provider.id, service: service?.id },
      h("span", {}, service?.name ?? t("appointment")), h("small", {}, facts({ service, provider })))))));
}

let typing;
$("search").addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(() => choose().catch((problem) => showProblem(problem.message, arrive)), 250);
});

// ---------------------------------------------------------------- when

async function pick(providerId, serviceId, wanted) {
  showSection("pick");
  const seats = serviceId && wanted >= 1 && wanted <= MOST_SEATS ? Math.trunc(wanted) : 1;
  if (calendar.shows(timesOf(providerId, serviceId, seats))) return; // back from the form: the same month, the same day
  await showTimes(providerId, serviceId, seats);
}

/** Where a visit would be: the service's location, otherwise the lead's, if it is the same for every possible lead. */
function placeOf(service, providers) {
  const places = new Map(providers.map(({ location }) => [locationText(location), location]));
  return service?.location ?? (places.size === 1 ? [...places.values()][0] : null);
}

let asked = 0; // raised with each question, so that a late answer to an earlier one is recognized

async function showTimes(providerId, serviceId, seats) {
  const run = (asked += 1);
  calendar.close();
  const [what, next] = await (serviceId ? loadService(serviceId, providerId, seats) : loadProvider(providerId));
  if (run !== asked) return;
  chosen = what;
  const { service, provider, providers } = what;
  const choice = service !== null && providers.length > needed(service);
  const whom = choice ? teamText(service) : t("with_whom", { names: namesText(providers) });
  $("pick-facts").textContent = joined([title(what), whom, locationText(placeOf(service, providers))]);
  $("pick-about").textContent = [service?.description, !choice && providers[0].description].filter(Boolean).join("\n\n");
  $("whom-line").hidden = !choice;
  $("whom").replaceChildren(...[null, ...providers].map((one) =>
    h("option", { value: one?.id ?? "", selected: one?.id === provider?.id }, one?.name ?? t("anyone"))));
  $("seats-line").hidden = !hasSeats(service);
  party.show(what.seats, service?.seats ?? 1);
  showParty(next && times.dateOf(next.localStart), { nextFree: true });
}

/** The times and the price for the party, from this date on. */
function showParty(date, { nextFree = false } = {}) {
  const { service, provider, providers, seats } = chosen;
  const leads = provider ? [provider] : providers;
  const rule = policy(service, leads);
  $("seats-price").textContent = seats > 1 && total() ? times.moneyText(total()) : "";
  $("pick-policy").textContent = rule ? ruleText(rule, total()) : "";
  const horizon = (lead) => times.addDays(times.today(lead.timeZone), (service?.maxAdvanceBookingDays ?? lead.maxAdvanceBookingDays) + 1);
  calendar.show({
    source: timesOf(provider?.id ?? null, service?.id ?? null, seats),
    lastDate: leads.map(horizon).sort().at(-1),
    date: date ?? times.today(leads[0].timeZone),
    seats: hasSeats(service),
    nextFree,
  });
}

/** The party is larger or smaller: the same month and day, with the times that have room for it. */
const party = new SeatsInput($("seats"), $("seats-error"), (seats) => {
  chosen.seats = seats;
  history.replaceState({ step: "pick" }, "", address(place()));
  showParty(calendar.date);
});

async function loadService(serviceId, providerId, seats) {
  const variables = { id: serviceId, providers: providerId ? [providerId] : null, seats, zone: calendar.zone };
  const { service } = await api.query(SERVICE + OFFERED + PERSON + POLICY, variables);
  const provider = service?.providers.find(({ id }) => id === providerId) ?? null;
  if (!service?.providers.length || (providerId && !provider)) throw new Error(t("not_bookable"));
  return [{ service, provider, providers: service.providers, seats: Math.min(seats, service.seats) }, service.next];
}

async function loadProvider(providerId) {
  const { provider } = await api.query(PROVIDER + PERSON + POLICY, { id: providerId, zone: calendar.zone });
  if (!provider) throw new Error(t("not_bookable"));
  return [{ service: null, provider, providers: [provider], seats: 1 }, provider.next];
}

/** Somebody else is wanted: the same page with other times, so the focus stays on the choice. */
$("whom").addEventListener("change", async () => {
  const where = { provider: $("whom").value || undefined, service: chosen.service.id, seats: chosen.seats };
  history.replaceState({ step: "pick" }, "", address(where));
  showProblem(null);
  try {
    await showTimes(where.provider ?? null, where.service, where.seats);
  } catch (problem) {
    showProblem(problem.message, arrive);
  }
});

/** What is asked for; any free provider if none was chosen. */
const wish = () => ({ providerId: chosen.provider?.id ?? null, serviceId: chosen.service?.id ?? null, seats: chosen.seats });

async function hold({ startsAt, localStart }) {
  const input = { ...wish(), startsAt, idempotencyKey: newKey() };
  const { holdSlot: answer } = await api.query(HOLD + POLICY, { input });
  if (answer.holdToken) held = { ...answer, localStart };
  return answer;
}

const sorry = (localStart, answer) =>
  answer.alternatives ? goneText(localStart, answer.reasons) : answer.message;

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
  $("summary-party").textContent = partyText({ ...chosen, price: total() });
  $("summary-with").textContent = t("with_whom", { names: namesText(held.providers) });
  $("summary-policy").textContent = policyText(policy(chosen.service, [held.providers[0]]), total(), held.startsAt, calendar.zone);
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
    ...wish(),
    holdToken: held.holdToken,
    startsAt: held.startsAt,
    durationMinutes: minutes(chosen),
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
  const { provider, providers, service, localStart, customerTimeZone, startsAt, contact, price, createdAt } = appointment;
  const link = new URL(manage, location.href);
  link.hash = location.hash;
  const what = service?.name ?? t("appointment");
  $("done-when").textContent = times.fullText(localStart);
  $("done-what").textContent = [what, t("zone_time", { zone: times.zoneText(customerTimeZone) })].join(" · ");
  $("done-party").textContent = partyText(appointment);
  $("done-with").textContent = t("with_whom", { names: namesText(providers) });
  $("done-place").textContent = whereText(appointment);
  $("done-policy").textContent = policyText(policy(service, [provider]), price, startsAt, customerTimeZone, Date.parse(createdAt));
  $("done-written").hidden = !contact?.email;
  $("done-written").textContent = contact?.email ? t("written", { email: contact.email }) : "";
  $("manage").href = link;
  $("copy").textContent = t("copy");
  $("copy").hidden = !navigator.clipboard; // browsers offer it over https only
  $("file").href = URL.createObjectURL(calendarFile({ ...appointment, title: `${what}: ${namesText(providers)}`, place: whereText(appointment), link: link.href }));
  $("copy").onclick = () => navigator.clipboard.writeText(link.href).then(() => { $("copy").textContent = t("copied"); });
  showSection("done");
}

arrive();
