// The practice: its people, rooms, services and locations, which of them have columns, and the time zone shown.

import { t } from "../words.js";

const WHO = `query Who {
  viewer { role provider { id } }
  organization { name slug locations { id name address phone email url directions isArchived } }
}`;
const PROVIDERS = pages("providers", "id name isArchived timeZone serviceDurationMinutes location { id name address }");
const RESOURCES = pages("resources", "id name isArchived kind timeZone");
const SERVICES = pages("services", "id name isArchived durationMinutes seats providersNeeded providers { id } location { id name address }");

/** A page of a list, with what is archived. */
function pages(list, fields) {
  return `query Practice($after: String) {
    page: ${list}(first: 100, after: $after, includeArchived: true) { nodes { ${fields} } pageInfo { hasNextPage endCursor } }
  }`;
}

/** The whole list, however many pages it has. */
async function all(api, document) {
  const nodes = [];
  for (let after = null, more = true; more;) {
    const { page } = await api.query(document, { after });
    nodes.push(...page.nodes);
    [after, more] = [page.pageInfo.endCursor, page.pageInfo.hasNextPage];
  }
  return nodes;
}

const STAFF = ["PROVIDER", "RECEPTION", "ADMIN"];
const MOST_COLUMNS_AT_FIRST = 8;

export class Practice {
  #key;
  #chosen;

  /** Null if the token's role is not staff. */
  static async load(api) {
    const who = await api.query(WHO);
    if (!STAFF.includes(who.viewer.role)) return null;
    const [providers, resources, services] = await Promise.all([PROVIDERS, RESOURCES, SERVICES].map((document) => all(api, document)));
    return new Practice({ ...who, providers, resources, services });
  }

  /** `everyone`, `everything` and `everyService` include archived ones; the others only what can be booked. */
  constructor({ viewer, organization, providers, resources, services }) {
    const inUse = ({ isArchived }) => !isArchived;
    this.text = JSON.stringify([viewer, organization, providers, resources, services]); // to see whether anything is different
    this.isAdmin = viewer.role === "ADMIN";
    this.name = organization?.name ?? "";
    this.own = viewer.provider?.id ?? null;
    [this.everyone, this.everything, this.everyService] = [providers, resources, services];
    [this.providers, this.resources, this.services] = [providers, resources, services].map((list) => list.filter(inUse));
    this.locations = organization?.locations ?? [];
    this.zones = zonesOf(this.providers.filter(({ id }) => !this.own || id === this.own));
    this.zone = this.zones[0] ?? "UTC";
    this.#key = `slotwright-desk-columns ${organization?.slug}`;
    this.#chosen = this.#remembered() ?? this.#atFirst();
  }

  /** The chosen columns: { id, name, isProvider, isArchived }. */
  get columns() {
    return this.#subjects.filter(({ id, isArchived }) => this.shows(id) && !isArchived);
  }

  /** The columns for these visits: the chosen ones, and archived people and rooms that still take part. */
  columnsFor(visits) {
    const needed = new Set(visits.flatMap(({ providers, resources }) => [...providers, ...resources]).map(({ id }) => id));
    return this.#subjects.filter(({ id, isArchived }) => (isArchived ? needed.has(id) : this.shows(id)));
  }

  get #subjects() {
    const of = (isProvider) => ({ id, name, isArchived }) => ({ id, name: isArchived ? t("archived_name", { name }) : name, isProvider, isArchived });
    return [...this.everyone.map(of(true)), ...this.everything.map(of(false))];
  }

  shows(id) {
    return this.#chosen.has(id);
  }

  choose(id, isShown) {
    if (isShown) this.#chosen.add(id);
    else this.#chosen.delete(id);
    try {
      localStorage.setItem(this.#key, JSON.stringify([...this.#chosen]));
    } catch { /* only not remembered */ }
  }

  provider(id) {
    return this.everyone.find((one) => one.id === id) ?? null;
  }

  resource(id) {
    return this.everything.find((one) => one.id === id) ?? null;
  }

  service(id) {
    return this.everyService.find((one) => one.id === id) ?? null;
  }

  /** What can be booked with this provider; with nobody in particular, everything. */
  servicesOf(providerId) {
    return providerId ? this.services.filter(({ providers }) => providers.some(({ id }) => id === providerId)) : this.services;
  }

  #remembered() {
    try {
      const known = JSON.parse(localStorage.getItem(this.#key));
      const ids = [...this.providers, ...this.resources].map(({ id }) => id);
      const chosen = new Set(known?.filter((id) => ids.includes(id)));
      return chosen.size ? chosen : null;
    } catch {
      return null;
    }
  }

  /** A provider sees themselves; others see the first providers and rooms in the practice's time zone. */
  #atFirst() {
    if (this.own) return new Set([this.own]);
    const here = ({ timeZone }) => timeZone === this.zone;
    return new Set([...this.providers.filter(here), ...this.resources.filter(here)].slice(0, MOST_COLUMNS_AT_FIRST).map(({ id }) => id));
  }
}

/** The zones of these people, the most frequent first. */
function zonesOf(people) {
  const counts = new Map();
  for (const { timeZone } of people) counts.set(timeZone, (counts.get(timeZone) ?? 0) + 1);
  return [...counts].sort(([, a], [, b]) => b - a).map(([zone]) => zone);
}
