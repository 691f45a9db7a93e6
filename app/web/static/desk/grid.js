// The day or week as a grid: a column for each provider and resource. The calendar is EventCalendar; it gets wall clocks of the practice's zone.

import { h } from "../dom.js";
import * as times from "../times.js";
import { hasSeats } from "../visit.js";
import { LOCALE, t, tn } from "../words.js";

const VIEWS = { day: "resourceTimeGridDay", week: "resourceTimeGridWeek" };
const SNAP_MINUTES = 5;

/** Appointments that share a session are one block. */
export function blocksOf(visits) {
  const blocks = new Map();
  for (const visit of visits) {
    const key = visit.session && visit.status === "CONFIRMED" ? visit.session.id : visit.id;
    if (blocks.has(key)) blocks.get(key).visits.push(visit);
    else blocks.set(key, { key, visits: [visit] });
  }
  return [...blocks.values()];
}

export const nameOf = (visit) => visit.contact?.name ?? t("erased");

/** Who it is for; of a class, how many seats are taken. */
export function titleOf({ visits }) {
  const [visit] = visits;
  if (!hasSeats(visit.service, visit.seats)) return nameOf(visit);
  const taken = visits.reduce((sum, { seats }) => sum + seats, 0);
  return t("class_title", { service: visit.service?.name ?? t("appointment"), taken, seats: visit.session?.seats ?? visit.service.seats });
}

/**
 * The calendar has the role of a table, but its blocks are in no cell. Without that role its headings are text, and its blocks are
 * buttons that say when, for whom, with whom and where.
 */
function plain(root) {
  for (const element of root.querySelectorAll("[role], [aria-colindex], [aria-colspan]")) {
    for (const name of ["role", "aria-colindex", "aria-colspan"]) element.removeAttribute(name);
  }
}

export class Grid {
  #calendar;
  #root;
  #zone = "UTC";
  #dragging = false;
  #drawn = new Map(); // id → what is drawn for it
  #waiting = null; // what to show when the pointer lets go
  #actions;

  /** actions: open(block), book({ column, reading }), move(block, { reading, from, to }), away({ column, from, until, timeOff }). */
  constructor(root, actions) {
    this.#root = root;
    this.#actions = actions;
    this.#calendar = globalThis.EventCalendar.create(root, {
      view: VIEWS.day,
      locale: LOCALE,
      headerToolbar: { start: "", center: "", end: "" },
      height: "100%",
      allDaySlot: false,
      datesAboveResources: true,
      slotDuration: "00:15",
      slotLabelInterval: "01:00",
      slotHeight: 18,
      snapDuration: { minutes: SNAP_MINUTES },
      slotMinTime: "08:00",
      slotMaxTime: "18:00",
      flexibleSlotTimeLimits: { eventFilter: ({ extendedProps }) => !extendedProps.allDay },
      columnWidth: "minmax(8.5rem, 1fr)",
      nowIndicator: true,
      eventDurationEditable: false,
      selectable: true,
      selectMinDistance: 8,
      longPressDelay: 500,
      eventTimeFormat: { hour: "numeric", minute: "2-digit" },
      eventContent: ({ event, timeText }) => event.extendedProps.key && { domNodes: this.#content(event, timeText) },
      eventDragStart: () => { this.#dragging = true; },
      eventDragStop: () => requestAnimationFrame(() => this.#letGo()), // after the click that ends a drag
      eventDrop: (info) => this.#dropped(info),
      dateClick: ({ dateStr, resource }) => actions.book({ column: resource.id, reading: dateStr.slice(0, 16) }),
      select: ({ startStr, endStr, resource }) => {
        actions.away({ column: resource.id, from: startStr.slice(0, 16), until: endStr.slice(0, 16) });
        this.#calendar.unselect();
      },
    });
    plain(root);
    new MutationObserver(() => plain(root)).observe(root, { childList: true, subtree: true });
  }

  /** The calendar shows wall-clock times without a zone; it needs the current offset for the line that marks the present. */
  #offset() {
    return (times.zoneOffset(this.#zone) ?? "UTC+00:00").replace("UTC", "").replace("−", "-");
  }

  /** view: day or week; from, to: its dates; columns: [{ id, name, isProvider }]; agenda: what is booked and free then. */
  show(what) {
    if (this.#dragging) {
      this.#waiting = what;
      return;
    }
    const { view, from, to, zone, columns, agenda } = what;
    const known = new Set(columns.map(({ id }) => id));
    const focused = document.activeElement?.dataset.block;
    const set = (name, value) => {
      if (JSON.stringify(this.#calendar.getOption(name)) !== JSON.stringify(value)) this.#calendar.setOption(name, value);
    };
    this.#zone = zone;
    set("timeZone", this.#offset());
    set("view", VIEWS[view]);
    set("date", from);
    set("firstDay", new Date(`${times.weekOf(from)}T00:00Z`).getUTCDay());
    set("resources", columns.map(({ id, name }) => ({ id, title: name })));
    const events = [
      ...columns.filter(({ isProvider }) => isProvider).flatMap(({ id }) => this.#free(id, agenda.freeTimes(id))),
      ...columns.filter(({ isProvider }) => !isProvider).map(({ id }) => this.#open(id, { from, to })),
      ...agenda.absences(zone).filter(({ subject }) => known.has(subject.id)).map((one) => this.#away(one)),
      ...blocksOf(agenda.visits).map((block) => this.#event(block, known)).filter(({ resourceIds }) => resourceIds.length),
    ];
    this.#draw(events);
    // Changed elements are redrawn in a microtask: the focus returns before the next key.
    const refocus = () => focused && document.activeElement === document.body && this.focus(focused);
    queueMicrotask(refocus);
    requestAnimationFrame(refocus);
  }

  /** Redraws only what has changed, so that everything else can be clicked and dragged meanwhile. */
  #draw(events) {
    const drawn = new Map(events.map((event) => [event.id, JSON.stringify(event)]));
    for (const id of this.#drawn.keys()) if (!drawn.has(id)) this.#calendar.removeEventById(id);
    for (const event of events) {
      if (!this.#drawn.has(event.id)) this.#calendar.addEvent(event);
      else if (this.#drawn.get(event.id) !== drawn.get(event.id)) this.#calendar.updateEvent(event);
    }
    this.#drawn = drawn;
  }

  focus(key) {
    this.#root.querySelector(`[data-block="${CSS.escape(key)}"]`)?.focus();
  }

  #free(column, slots) {
    const stretches = [];
    for (const { localStart, startsAt, endsAt } of slots) {
      const start = localStart.slice(0, 16);
      const end = times.addMinutes(start, times.minutesBetween(startsAt, endsAt));
      const last = stretches.at(-1);
      if (last && start <= last.end) last.end = end > last.end ? end : last.end;
      else stretches.push({ start, end });
    }
    return stretches.map(({ start, end }) => ({ id: `free ${column} ${start}`, resourceIds: [column], start, end, display: "background", classNames: ["free"] }));
  }

  /** Rooms are shown as open: their hours only matter to the services that need them. */
  #open(column, { from, to }) {
    return { id: `open ${column}`, resourceIds: [column], start: `${from}T00:00`, end: `${times.addDays(to, 1)}T00:00`, display: "background", classNames: ["free"], extendedProps: { allDay: true } };
  }

  /** Time off, and busy times of other calendars, which can only be changed there. */
  #away({ key, subject, start, end, timeOff, source }) {
    return { id: key, resourceIds: [subject.id], start, end, display: "background", classNames: ["away"], extendedProps: { key, subject, timeOff, source, allDay: true } };
  }

  #event(block, known) {
    const [visit] = block.visits;
    const start = times.wallIn(this.#zone, visit.startsAt).slice(0, 16);
    return {
      id: block.key,
      resourceIds: [...visit.providers, ...visit.resources].map(({ id }) => id).filter((id) => known.has(id)),
      start,
      end: times.addMinutes(start, times.minutesBetween(visit.startsAt, visit.endsAt)),
      title: titleOf(block),
      startEditable: visit.status === "CONFIRMED",
      classNames: [`visit-${visit.status}`, hasSeats(visit.service, visit.seats) ? "class" : "alone"],
      extendedProps: { key: block.key, block },
    };
  }

  #content({ title, extendedProps: { key, block, timeOff, subject, source } }, timeText) {
    if (source) return [h("span", { class: "block" }, h("b", {}, source.name))];
    if (timeOff) {
      const open = () => this.#actions.away({ column: subject.id, timeOff });
      return [h("button", { type: "button", class: "block", "data-block": key, onclick: open },
        h("b", {}, t("time_off")), timeOff.reason && h("span", {}, timeOff.reason), h("span", { class: "unseen" }, subject.name))];
    }
    const [visit] = block.visits;
    const what = hasSeats(visit.service, visit.seats) ? "" : visit.service?.name ?? "";
    const unseen = [...visit.providers, ...visit.resources].map(({ name }) => name);
    if (visit.status !== "CONFIRMED") unseen.push(t(`status_${visit.status}`));
    return [
      h("button", { type: "button", class: "block", "data-block": key, onclick: () => this.#dragging || this.#actions.open(block) },
        h("b", {}, title), h("span", { class: "time" }, timeText), what && h("span", {}, what), h("span", { class: "unseen" }, unseen.join(", "))),
    ];
  }

  /** The calendar has moved the block already; it goes back until the server has accepted the move. */
  #dropped({ event, delta, oldResource, newResource, revert }) {
    const { block } = event.extendedProps;
    const start = times.wallIn(this.#zone, block.visits[0].startsAt);
    const reading = times.addMinutes(start, delta.days * 24 * 60 + delta.seconds / 60);
    revert();
    this.#actions.move(block, { reading, from: oldResource?.id ?? null, to: newResource?.id ?? null });
  }

  #letGo() {
    this.#dragging = false;
    if (this.#waiting) this.show(this.#waiting);
    this.#waiting = null;
  }
}
