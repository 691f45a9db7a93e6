// What the desk shows of some dates: appointments, free times, time off and busy times. Two queries load them, three subscriptions keep
// them up to date.

import * as times from "../times.js";

const PAGE = `query Agenda($from: Date!, $to: Date!, $zone: TimeZone!, $after: String) {
  appointments(fromDate: $from, toDate: $to, timeZone: $zone, first: 100, after: $after) {
    nodes { ...Visit }
    pageInfo { hasNextPage endCursor }
  }
}`;
const CHANGES = `subscription Changes {
  change: appointmentChanges { kind appointment { ...Visit } }
}`;
const EDITS = `subscription Edits { edit: practiceChanges { type } }`;
const FREE = `subscription Free($providers: [ID!]!, $from: Date!, $to: Date!, $zone: TimeZone!) {
  change: availabilityChanges(providerIds: $providers, from: $from, to: $to, timeZone: $zone) {
    providerId date slots { startsAt endsAt localStart }
  }
}`;
export const VISIT = `fragment Visit on Appointment {
  id version status startsAt endsAt seats notes
  contact { name email phone }
  provider { id name }
  providers { id name }
  resources { id name kind }
  service { id name seats }
  session { id seats }
  location { name address }
}`;

const AWAY = `query Away($providers: [ID!], $resources: [ID!], $from: Date!, $to: Date!, $start: DateTime!, $end: DateTime!) {
  providers(first: 50, ids: $providers) { nodes { id name timeZone timeOff(from: $from, to: $to) { ...Away } busySources { ...Busy } } }
  resources(first: 50, ids: $resources) { nodes { id name timeZone timeOff(from: $from, to: $to) { ...Away } busySources { ...Busy } } }
}
fragment Away on TimeOff { id from until reason }
fragment Busy on BusySource { id name busyTimes(from: $start, to: $end) { startsAt endsAt } }`;

const SETTLE_MS = 400; // several changes at once are one question
const MOST_PROVIDERS = 20; // of one subscription
const MOST_IDS = 50; // of one list: what an answer may cost allows no more

export class Agenda {
  #api;
  #onChange;
  #onEdit;
  #visits = new Map();
  #free = new Map(); // provider → date → its free slots
  #shown = null; // { from, to, zone, providers }
  #run = 0; // raised whenever other dates or providers are shown, so that late answers are recognized
  #ends = [];
  #following = null;
  #edits = null;
  #away = [];
  #busy = [];
  #editTimer;
  #awayAsked = 0;

  /**
   * onChange(change) is called after each change; `change` is null if everything may have changed. onEdit() is called after an edit of
   * the practice: its people, rooms, services or locations.
   */
  constructor(api, onChange, onEdit) {
    this.#api = api;
    this.#onChange = onChange;
    this.#onEdit = onEdit;
    let lost = false;
    api.socket.on("closed", () => { lost = true; this.#onChange(null); });
    api.socket.on("connected", () => { if (lost) this.load(), this.#onEdit(); lost = false; }); // what was missed meanwhile
  }

  /** Whether changes are being pushed at this moment. */
  live = false;

  /** Shows the dates from…to, inclusive, the free times of these providers, and who is away. */
  async show({ from, to, zone, providers, resources }) {
    const shown = { from, to, zone, providers, resources };
    if (JSON.stringify(shown) === JSON.stringify(this.#shown)) return;
    this.#shown = shown;
    this.#free.clear();
    this.#followFreeTimes();
    await this.load();
  }

  async load() {
    if (!this.#shown) return;
    const run = (this.#run += 1);
    this.#follow();
    const { from, to, zone } = this.#shown;
    const span = { from: times.addDays(from, -1), to, zone }; // a visit of the night before reaches into the first date
    const visits = new Map();
    for (let after = null, more = true; more;) {
      const { appointments } = await this.#api.query(PAGE + VISIT, { ...span, after });
      if (run !== this.#run) return;
      for (const visit of appointments?.nodes ?? []) if (this.#covers(visit)) visits.set(visit.id, visit);
      [after, more] = [appointments?.pageInfo.endCursor, appointments?.pageInfo.hasNextPage];
    }
    // A change that came while the pages were loaded is newer than they are.
    for (const [id, known] of this.#visits) if ((visits.get(id)?.version ?? -1) < known.version && this.#covers(known)) visits.set(id, known);
    this.#visits = visits;
    this.#onChange(null);
    await this.#loadAway();
  }

  async #loadAway() {
    const [run, asked] = [this.#run, (this.#awayAsked += 1)];
    const { from, to, providers, resources } = this.#shown;
    const [first, last] = [times.addDays(from, -1), times.addDays(to, 1)]; // around the dates in any zone
    const span = { from: first, to: last, start: `${first}T00:00:00Z`, end: `${times.addDays(last, 1)}T00:00:00Z` };
    const subjects = [];
    for (let index = 0; index < Math.max(providers.length, resources.length); index += MOST_IDS) {
      const [some, rooms] = [providers, resources].map((ids) => ids.slice(index, index + MOST_IDS));
      const answer = await this.#api.query(AWAY, { ...span, providers: some, resources: rooms });
      if (run !== this.#run || asked !== this.#awayAsked) return;
      subjects.push(...answer.providers.nodes, ...(answer.resources?.nodes ?? []));
    }
    const away = subjects.flatMap(({ timeOff, busySources, ...subject }) => (timeOff ?? []).map((one) => ({ timeOff: one, subject })));
    const busy = subjects.flatMap(({ timeOff, busySources, ...subject }) =>
      (busySources ?? []).flatMap(({ busyTimes, ...source }) => busyTimes.map((one) => ({ source, subject, ...one }))));
    const isNew = JSON.stringify([away, busy]) !== JSON.stringify([this.#away, this.#busy]);
    [this.#away, this.#busy] = [away, busy];
    if (isNew) this.#onChange(null);
  }

  /** Absences of people and rooms near the dates shown, in this time zone: { key, subject, start, end } with a `timeOff` or a `source`. */
  absences(zone) {
    const wall = (instant) => times.wallIn(zone, instant).slice(0, 16);
    // Time off is in the subject's own time zone.
    const shown = (subject, reading) => (subject.timeZone === zone ? reading : wall(times.instantIn(subject.timeZone, reading)));
    return [
      ...this.#away.map(({ timeOff, subject }) => ({ key: timeOff.id, subject, start: shown(subject, timeOff.from), end: shown(subject, timeOff.until), timeOff })),
      ...this.#busy.map(({ source, subject, startsAt, endsAt }) => ({ key: `${source.id} ${startsAt}`, subject, start: wall(startsAt), end: wall(endsAt), source })),
    ];
  }

  /** Ends the subscriptions and forgets everything. */
  close() {
    this.#run += 1;
    for (const end of [...this.#ends, this.#following, this.#edits]) end?.();
    [this.#ends, this.#following, this.#edits, this.#shown, this.live] = [[], null, null, null, false];
    this.#visits.clear();
    this.#free.clear();
    [this.#away, this.#busy] = [[], []];
  }

  /** Confirmed, completed and missed visits of the dates shown, by start. */
  get visits() {
    return [...this.#visits.values()].filter(({ status }) => status !== "CANCELLED").sort((a, b) => a.startsAt.localeCompare(b.startsAt));
  }

  visit(id) {
    return this.#visits.get(id) ?? null;
  }

  /** Takes over an appointment from an answer of the server, or from a change. */
  put(visit) {
    const known = this.#visits.get(visit.id);
    if (known && known.version > visit.version) return false;
    if (this.#covers(visit)) this.#visits.set(visit.id, visit);
    else this.#visits.delete(visit.id);
    return known?.version !== visit.version;
  }

  /** Free slots of a provider on the dates shown, by start. */
  freeTimes(providerId) {
    return [...(this.#free.get(providerId)?.values() ?? [])].flat();
  }

  /** The practice was edited. Everything is loaded again, once for several edits. */
  #edited() {
    clearTimeout(this.#editTimer);
    this.#editTimer = setTimeout(() => {
      if (!this.#shown) return;
      this.load().catch(() => {});
      this.#onEdit();
    }, SETTLE_MS);
  }

  #covers({ startsAt, endsAt }) {
    const { from, to, zone } = this.#shown;
    return times.wallIn(zone, endsAt) > `${from}T00:00` && times.dateOf(times.wallIn(zone, startsAt)) <= to;
  }

  #follow() {
    this.#following ??= this.#api.subscribe(CHANGES + VISIT, {}, ({ change }) => {
      if (!this.#shown) return;
      const isNew = this.put(change.appointment);
      this.#onChange(isNew ? change : null);
    }, () => { this.#following = null; });
    this.#edits ??= this.#api.subscribe(EDITS, {}, () => this.#edited(), () => { this.#edits = null; });
  }

  /** One subscription for twenty providers; each sends every date first, then a date again when it changes. */
  #followFreeTimes() {
    for (const end of this.#ends) end();
    this.#ends = [];
    this.live = false;
    const { from, to, zone, providers } = this.#shown;
    for (let index = 0; index < providers.length; index += MOST_PROVIDERS) {
      const variables = { from, to, zone, providers: providers.slice(index, index + MOST_PROVIDERS) };
      const next = ({ change: { providerId, date, slots } }) => {
        const dates = this.#free.get(providerId) ?? new Map();
        this.#free.set(providerId, dates.set(date, slots));
        this.live = true;
        this.#onChange(null);
      };
      this.#ends.push(this.#api.subscribe(FREE, variables, next, () => { this.live = false; this.#onChange(null); }));
    }
  }
}
