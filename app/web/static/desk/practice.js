// The practice as the desk needs it: its people, rooms and services, whose columns are shown, and whose clocks.

const PRACTICE = `query Practice {
  viewer { role provider { id } }
  organization { name slug }
  providers(first: 100) { nodes { id name timeZone serviceDurationMinutes } }
  resources(first: 100) { nodes { id name kind timeZone } }
  services(first: 100) { nodes { id name durationMinutes seats providersNeeded providers { id } } }
}`;

const STAFF = ["PROVIDER", "RECEPTION", "ADMIN"];
const MOST_COLUMNS_AT_FIRST = 8;

export class Practice {
  #key;
  #chosen;

  /** Null where the token is not one of the practice's staff. */
  static async load(api) {
    const answer = await api.query(PRACTICE);
    return STAFF.includes(answer.viewer.role) ? new Practice(answer) : null;
  }

  constructor({ viewer, organization, providers, resources, services }) {
    this.role = viewer.role;
    this.name = organization?.name ?? "";
    this.own = viewer.provider?.id ?? null;
    this.providers = providers.nodes;
    this.resources = resources?.nodes ?? [];
    this.services = services.nodes;
    this.zones = zonesOf(this.providers.filter(({ id }) => !this.own || id === this.own));
    this.zone = this.zones[0] ?? "UTC";
    this.#key = `slotwright-desk-columns ${organization?.slug}`;
    this.#chosen = this.#remembered() ?? this.#atFirst();
  }

  /** What is shown next to each other: { id, name, isProvider }. */
  get columns() {
    const of = (isProvider) => ({ id, name }) => ({ id, name, isProvider });
    return [...this.providers.map(of(true)), ...this.resources.map(of(false))].filter(({ id }) => this.shows(id));
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
    return this.providers.find((one) => one.id === id) ?? null;
  }

  resource(id) {
    return this.resources.find((one) => one.id === id) ?? null;
  }

  service(id) {
    return this.services.find((one) => one.id === id) ?? null;
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

  /** A provider sees themselves; others the first of those who live by the practice's clocks, with the rooms. */
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
