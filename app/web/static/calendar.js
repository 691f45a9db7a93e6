// A month of free times that stays up to date: loaded by a query, updated by a subscription, or by polling where there is none.

import { announce, h } from "./dom.js";
import { Problem } from "./graphql.js";
import * as times from "./times.js";
import { t, tn } from "./words.js";

const POLL_MS = 15_000;
const RETRY_MS = 4_000;
const NEWS_MS = 500; // several changes at once are one question

export class Calendar {
  #root;
  #api;
  #onPick;
  #what = null; // { source: one of free-times.js, lastDate: the last on which anything can be booked, seats: whether to say how many are left }
  #month;
  #zone;
  #day = null;
  #opening = false; // until the month is there: whether the day gives way if nothing is free on it
  #days = new Map(); // date → its free slots; a date that is missing is not known yet
  #next = null; // the first free time from this month on, when the month has none
  #pushed = new Set(); // dates that the subscription keeps
  #run = 0; // raised whenever what is shown changes, so that late answers are recognized
  #abort = new AbortController();
  #unsubscribe = () => {};
  #timer;
  #problem = null;
  #conflict = null;
  #buttons = new Map();
  #picking = false;
  #told = ""; // what the notice says, so that it is changed only when that changes

  constructor(root, { api, zone, onPick }) {
    this.#root = root;
    this.#api = api;
    this.#onPick = onPick;
    this.month = h("h2", { id: "month-name", "aria-live": "polite" });
    this.previous = h("button", { type: "button", class: "round", "aria-label": t("previous_month"), onclick: () => this.#turn(-1) }, "‹");
    this.following = h("button", { type: "button", class: "round", "aria-label": t("next_month"), onclick: () => this.#turn(1) }, "›");
    this.grid = h("table", { role: "grid", "aria-labelledby": "month-name", onkeydown: (event) => this.#key(event) });
    this.#zone = zone;
    this.zones = h("input", { id: "zone", list: "zones", value: times.zoneText(zone), autocomplete: "off", spellcheck: "false", onchange: () => this.#changeZone(),
      // An empty field shows the whole list; leaving it unchanged puts the name back.
      onfocus: () => { this.zones.value = ""; this.zones.placeholder = times.zoneText(this.zone); },
      onblur: () => { this.zones.value = times.zoneText(this.zone); } });
    const list = h("datalist", { id: "zones" }, times.zones(zone).map(([name, offset]) => h("option", { value: times.zoneText(name) }, offset)));
    this.offset = h("output", { for: "zone" }, times.zoneOffset(zone) ?? "");
    this.heading = h("h2", { id: "day-name" });
    this.notice = h("div", { class: "notice" });
    this.list = h("ul", { class: "slots times", "aria-labelledby": "day-name" });
    this.freshness = h("p", { class: "freshness" });
    root.classList.add("calendar");
    root.inert = true; // until `show` is called
    root.replaceChildren(
      h("div", { class: "month" },
        h("div", { class: "turn" }, this.previous, this.month, this.following),
        this.grid,
        h("p", { class: "zone" }, h("label", { for: "zone" }, t("times_shown_in")), this.zones, list, this.offset)),
      h("div", { class: "day" }, this.heading, this.notice, this.list, this.freshness));

    api.socket.on("closed", () => this.#unplugged());
    addEventListener("online", () => this.#load());
    document.addEventListener("visibilitychange", () => document.hidden || this.#live || this.#load());
  }

  get zone() {
    return this.#zone;
  }

  get #live() {
    return this.#pushed.size > 0;
  }

  /** The day whose times are shown, or null. */
  get date() {
    return this.#day;
  }

  /**
   * Shows these free times, opening at `date`; with `seats`, also how many seats are left at each.
   * With `nextFree`, it opens at the next day with free times if the last one on `date` was taken, or passed, meanwhile.
   */
  show({ source, lastDate = null, date, seats = false, nextFree = false }) {
    this.#what = { source, lastDate, seats };
    this.list.classList.toggle("seats", seats);
    this.#conflict = null;
    this.#root.inert = false;
    this.#open(times.monthOf(date), date);
    this.#opening = nextFree;
  }

  /** Whether it shows this already; if so, it makes sure that it is up to date. */
  shows({ key }) {
    const same = this.#what?.source.key === key;
    if (same) this.#load();
    return same;
  }

  /** Ends subscriptions and timers, and shows nothing. */
  close() {
    this.#run += 1;
    this.#what = null;
    this.#root.inert = true;
    this.#unsubscribe();
    this.#abort.abort();
    clearTimeout(this.#timer);
  }

  /** Says that a time is gone, and offers the nearest ones. */
  conflict(message, alternatives) {
    this.#conflict = { message, alternatives: alternatives.map(({ startsAt }) => this.#known(startsAt)) };
    this.#renderDay();
    this.notice.querySelector("p").focus();
    this.#load();
  }

  async #pick(slot) {
    if (this.#picking) return;
    this.#picking = true;
    try {
      await this.#onPick(slot);
    } finally {
      this.#picking = false;
    }
  }

  /** The slot as it is shown here, with its wall clock in the chosen zone. */
  #known(startsAt) {
    const slot = [...this.#days.values()].flat().find((one) => one.startsAt === startsAt);
    return slot ?? { startsAt, localStart: times.wallIn(this.zone, startsAt) };
  }

  #open(month, date = null) {
    this.#run += 1;
    this.#month = month;
    this.#day = date;
    this.#opening = false;
    this.#days.clear();
    this.#pushed.clear();
    this.#next = this.#problem = null;
    this.list.replaceChildren();
    this.#renderMonth();
    this.#renderDay();
    this.#load();
    this.#subscribe();
  }

  #changeZone() {
    const zone = times.findZone(this.zones.value);
    if (!zone) return;
    this.#zone = zone;
    times.rememberZone(zone);
    this.zones.value = times.zoneText(zone);
    this.offset.textContent = times.zoneOffset(zone) ?? "";
    if (!this.#what) return;
    this.#conflict = null;
    this.#open(this.#month);
  }

  #turn(count) {
    this.#conflict = null;
    this.#open(times.addMonths(this.#month, count));
  }

  #span() {
    const dates = times.daysOf(this.#month);
    return { ...this.#what.source.variables, from: dates[0], to: dates.at(-1), zone: this.zone };
  }

  async #load() {
    if (!this.#what) return;
    const run = this.#run;
    this.#abort.abort();
    this.#abort = new AbortController();
    const span = this.#span();
    const after = new Date(Math.max(Date.now(), Date.parse(`${span.from}T00:00:00Z`))).toISOString();
    try {
      const { asked } = await this.#api.query(this.#what.source.month, { ...span, after }, { signal: this.#abort.signal });
      if (run !== this.#run) return;
      const answer = asked?.free;
      if (answer?.retryAfterSeconds) throw new Problem("overloaded", answer.message, answer);
      if (!answer?.days) throw new Problem("broken", answer?.message ?? t("not_bookable"));
      this.#problem = null;
      this.#next = asked.next;
      const { without } = this.#what.source;
      for (const { date, slots } of answer.days) {
        if (!this.#pushed.has(date)) this.#days.set(date, slots.filter(({ startsAt }) => startsAt !== without));
      }
      if (this.#opening && this.#settle()) return;
      this.#schedule(POLL_MS);
    } catch (problem) {
      if (problem.name === "AbortError" || run !== this.#run) return;
      this.#problem = problem;
      this.#schedule((problem.retryAfterSeconds ?? 0) * 1000 || RETRY_MS);
    }
    this.#changed();
  }

  /** The month is there: leaves the opening day if nothing is free on it. Answers whether that opened another month. */
  #settle() {
    this.#opening = false;
    if (this.#days.get(this.#day)?.length) return false;
    if ([...this.#days.values()].some(({ length }) => length)) {
      this.#day = null; // then the first day with free times is selected
      return false;
    }
    if (!this.#next) return false;
    const date = times.dateOf(this.#next.localStart);
    this.#open(times.monthOf(date), date);
    return true;
  }

  /** Polls later, unless the subscription has taken over by then. */
  #schedule(delay) {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => {
      if (this.#live && !this.#problem) return;
      if (document.hidden) this.#schedule(POLL_MS);
      else this.#load();
    }, delay);
  }

  #subscribe() {
    this.#unsubscribe();
    const run = this.#run;
    this.#unsubscribe = this.#api.subscribe(this.#what.source.changes, this.#span(), ({ change: { date, slots, isSnapshot } }) => {
      if (run !== this.#run) return;
      if (!slots) return isSnapshot || this.#schedule(NEWS_MS);
      const before = this.#days.get(date) ?? [];
      this.#pushed.add(date);
      this.#days.set(date, slots);
      this.#problem = null;
      this.#changed();
      if (date === this.#day) this.#announceChange(before, slots);
    }, () => this.#unplugged()); // not offered here: asking again from time to time does as well
  }

  /** Without the subscription the page polls, but not before the time that an overloaded server gave. */
  #unplugged() {
    this.#pushed.clear();
    if (this.#what && !this.#problem) this.#schedule(RETRY_MS);
    this.#renderFreshness();
  }

  #announceChange(before, after) {
    const starts = new Set(after.map(({ startsAt }) => startsAt));
    const gone = before.filter(({ startsAt }) => !starts.has(startsAt)).map(({ localStart }) => times.timeText(localStart));
    if (gone.length && gone.length < 4) announce(t("no_longer_free", { times: gone.join(", ") }));
  }

  // ---------------------------------------------------------------- what is seen

  #changed() {
    for (const date of this.#buttons.keys()) this.#renderDate(date);
    if (!this.#day) {
      this.#day = times.daysOf(this.#month).find((date) => this.#days.get(date)?.length) ?? null;
      if (this.#day) this.#select(this.#day);
    }
    this.#renderDay();
  }

  #renderMonth() {
    const dates = times.daysOf(this.#month);
    const now = times.today(this.zone);
    this.month.textContent = times.monthText(this.#month);
    this.previous.disabled = this.#month <= times.monthOf(now);
    this.following.disabled = this.#what.lastDate !== null && dates.at(-1) >= this.#what.lastDate;
    this.#buttons = new Map(dates.map((date) => [date, h("button", {
      type: "button", "data-date": date, class: date === now ? "today" : date < now && "past", onclick: () => this.#select(date, { announced: true }),
    }, String(Number(date.slice(8))))]));
    const cells = dates.map((date) => h("td", { role: "gridcell" }, this.#buttons.get(date)));
    const lead = times.column(dates[0]);
    if (lead) cells.unshift(h("td", { colspan: lead, "aria-hidden": "true" }));
    const rows = [];
    for (const cell of cells) {
      const date = cell.firstChild?.dataset.date;
      if (!rows.length || (date && date !== dates[0] && times.column(date) === 0)) rows.push([]);
      rows.at(-1).push(cell);
    }
    const week = Array.from({ length: 7 }, (_, index) => times.addDays(dates[0], index - lead));
    this.grid.replaceChildren(
      h("thead", {}, h("tr", {}, week.map((date) => h("th", { scope: "col", abbr: times.weekdayText(date, "long") }, times.weekdayText(date, "short"))))),
      h("tbody", {}, rows.map((row) => h("tr", {}, row))));
    for (const date of dates) this.#renderDate(date);
  }

  #renderDate(date) {
    const button = this.#buttons.get(date);
    const count = this.#days.get(date)?.length;
    const chosen = date === this.#day;
    button.classList.toggle("free", count > 0);
    button.setAttribute("aria-label", this.#dateLabel(date, count));
    button.tabIndex = date === (this.#day ?? `${this.#month}-01`) ? 0 : -1;
    button.parentElement?.setAttribute("aria-selected", chosen);
  }

  #dateLabel(date, count) {
    const named = { date: times.dateText(date) };
    if (count === undefined) return t("date_loading", named);
    return count ? tn("date_free", count, named) : t("date_free_none", named);
  }

  #select(date, { announced = false } = {}) {
    const before = this.#day;
    this.#day = date;
    this.#opening = false;
    if (announced) this.#conflict = null;
    for (const one of [before, date]) if (this.#buttons.has(one)) this.#renderDate(one);
    this.#renderDay();
    if (announced) announce(this.#dateLabel(date, this.#days.get(date)?.length ?? 0));
  }

  #key(event) {
    const date = event.target.dataset.date;
    if (!date) return;
    const place = times.column(date);
    const steps = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -7, ArrowDown: 7, Home: -place, End: 6 - place };
    const months = { PageUp: -1, PageDown: 1 };
    let target;
    if (event.key in steps) target = times.addDays(date, steps[event.key]);
    else if (event.key in months) target = times.daysOf(times.addMonths(this.#month, months[event.key])).findLast((one) => one.slice(8) <= date.slice(8));
    else return;
    event.preventDefault();
    const month = times.monthOf(target);
    if ((month < this.#month && this.previous.disabled) || (month > this.#month && this.following.disabled)) return;
    if (month !== this.#month) this.#open(month, target);
    else this.#select(target);
    this.#buttons.get(target).focus();
  }

  #renderDay() {
    const known = this.#days.size > 0;
    const slots = this.#days.get(this.#day) ?? [];
    this.heading.textContent = this.#day ? times.dateText(this.#day) : times.monthText(this.#month);
    this.grid.setAttribute("aria-busy", !known && !this.#problem);
    this.#renderNotice(known, slots);
    this.#renderTimes(slots);
    this.#renderFreshness();
  }

  /** A message instead of, or above, the day's times: [class, text, buttons as [label, action]]. */
  #news(known, slots) {
    if (this.#problem) {
      const { kind, message, retryAfterSeconds } = this.#problem;
      const text = {
        overloaded: t("overloaded", { seconds: retryAfterSeconds ?? RETRY_MS / 1000 }),
        offline: t(known ? "offline_known" : "offline_unknown"),
      }[kind];
      return ["problem", text ?? message, [[t("try_now"), () => this.#load()]]];
    }
    if (this.#conflict) {
      const { message, alternatives } = this.#conflict;
      const label = ({ localStart }) => {
        const date = times.dateOf(localStart);
        return (date === this.#day ? "" : `${times.shortDateText(date)}, `) + times.timeText(localStart);
      };
      const text = alternatives.length ? `${message} ${t("nearest")}` : message;
      return ["conflict", text, alternatives.map((slot) => [label(slot), () => this.#pick(slot)])];
    }
    if (!known) return ["", t("looking"), []];
    if (slots.length) return ["", "", []];
    if ([...this.#days.values()].some(({ length }) => length)) return ["", t("nothing_this_day"), []];
    if (this.#next === undefined) return ["", t("nothing_this_month"), []]; // nobody knows when
    if (!this.#next) return ["", t("nothing_now"), []];
    const date = times.dateOf(this.#next.localStart);
    return ["", t("nothing_this_month"), [[t("next_free", { date: times.shortDateText(date) }), () => this.#open(times.monthOf(date), date)]]];
  }

  #renderNotice(known, slots) {
    const [kind, text, actions] = this.#news(known, slots);
    const told = JSON.stringify([kind, text, actions]);
    if (told === this.#told) return; // left alone, as the focus may be in it
    this.#told = told;
    this.notice.className = `notice ${kind}`;
    this.notice.replaceChildren();
    if (!text) return;
    const buttons = actions.map(([label, action]) => h("li", {}, h("button", { type: "button", onclick: action }, label)));
    this.notice.append(h("p", { tabindex: "-1" }, text), h("ul", { class: "slots" }, buttons));
  }

  /** Redraws only what has changed, so that the focus stays where it is and disappearing times can be animated. */
  #renderTimes(slots) {
    const starts = slots.map(({ startsAt }) => startsAt);
    const shown = [...this.list.children].filter((item) => !item.inert);
    const staying = shown.filter((item) => starts.includes(item.dataset.start));
    for (const item of shown) {
      if (staying.includes(item)) continue;
      if (item.contains(document.activeElement)) {
        const neighbour = staying.find((other) => other.dataset.start > item.dataset.start) ?? staying.at(-1);
        (neighbour?.firstElementChild ?? this.#buttons.get(this.#day))?.focus();
      }
      this.#leave(item);
    }
    const texts = slots.map(({ localStart }) => times.timeText(localStart));
    let next = this.list.firstElementChild;
    slots.forEach((slot, index) => {
      while (next?.inert) next = next.nextElementSibling;
      const left = this.#what?.seats ? tn("seats_left", slot.seatsLeft) : "";
      if (next?.dataset.start === slot.startsAt) {
        const told = next.querySelector("small");
        if (told && told.textContent !== left) told.textContent = left;
        next = next.nextElementSibling;
        return;
      }
      // When clocks go back, a time occurs twice; the offset distinguishes them.
      const twice = texts.indexOf(texts[index]) !== texts.lastIndexOf(texts[index]);
      const label = twice ? `${texts[index]} ${times.offsetText(slot.localStart)}` : texts[index];
      const button = h("button", { type: "button", onclick: () => this.#pick(slot) }, label, left && h("small", {}, left));
      this.list.insertBefore(h("li", { "data-start": slot.startsAt, "data-day": this.#day }, button), next);
    });
  }

  #leave(item) {
    if (item.dataset.day !== this.#day || matchMedia("(prefers-reduced-motion: reduce)").matches) return item.remove();
    item.inert = true;
    item.animate({ opacity: [1, 0], transform: ["none", "scale(.9)"] }, { duration: 400, easing: "ease-out" }).onfinish = () => item.remove();
  }

  #renderFreshness() {
    const text = this.#problem || !this.#days.size ? "" : t(this.#live ? "live" : "polled");
    this.freshness.textContent = text;
    this.freshness.classList.toggle("live", this.#live && !this.#problem);
  }
}
