// Dates, wall clocks and money as people read them. A wall clock comes ready from the server and is only formatted here.

import { LOCALE } from "./words.js";
import { NAMES, RENAMED } from "./zones.js";

const DAY_MS = 86_400_000;

const formats = new Map();
function format(options, instant) {
  const key = JSON.stringify(options);
  if (!formats.has(key)) formats.set(key, new Intl.DateTimeFormat(LOCALE, { timeZone: "UTC", ...options }));
  return formats.get(key).format(instant);
}

// "2026-03-08T09:00:00-05:00" reads 09:00, whatever this browser thinks of that zone: it is shown as if it were UTC.
const wall = (local) => new Date(`${local.slice(0, 19)}Z`);
const day = (date) => new Date(`${date}T00:00:00Z`);

export const dateOf = (local) => local.slice(0, 10);
export const monthOf = (date) => date.slice(0, 7);
export const timeText = (local) => format({ timeStyle: "short" }, wall(local));
export const offsetText = (local) => `UTC${local.slice(19).replace("Z", "").replace("-", "−")}`;
export const dateText = (date) => format({ weekday: "long", day: "numeric", month: "long" }, day(date));
export const shortDateText = (date) => format({ weekday: "short", day: "numeric", month: "short" }, day(date));
export const monthText = (month) => format({ month: "long", year: "numeric" }, day(`${month}-01`));
export const weekdayText = (date, width) => format({ weekday: width }, day(date));
export const fullText = (local) =>
  `${format({ weekday: "long", day: "numeric", month: "long", year: "numeric" }, wall(local))}, ${timeText(local)}`;

export const addDays = (date, days) => new Date(day(date).getTime() + days * DAY_MS).toISOString().slice(0, 10);
export function addMonths(month, count) {
  const [year, number] = month.split("-").map(Number);
  return new Date(Date.UTC(year, number - 1 + count, 1)).toISOString().slice(0, 7);
}
export function daysOf(month) {
  const first = `${month}-01`;
  const count = (day(`${addMonths(month, 1)}-01`) - day(first)) / DAY_MS;
  return Array.from({ length: count }, (_, index) => addDays(first, index));
}

/** How many columns of an empty first week precede this date; weeks begin as the reader's region has it. */
export function column(date) {
  const locale = new Intl.Locale(navigator.language);
  const firstDay = (locale.getWeekInfo?.() ?? locale.weekInfo)?.firstDay ?? 1;
  return (day(date).getUTCDay() - firstDay + 7) % 7;
}

const clocks = new Map();
function clockOf(zone) {
  if (!clocks.has(zone)) {
    clocks.set(zone, new Intl.DateTimeFormat("en-CA", {
      timeZone: zone, hourCycle: "h23", year: "numeric", month: "2-digit", day: "2-digit", hour: "2-digit", minute: "2-digit", second: "2-digit",
    }));
  }
  return clocks.get(zone);
}

/** An instant's wall clock as this browser's zone tables have it; for what the server sent without one. */
export function wallIn(zone, instant) {
  const parts = clockOf(zone).formatToParts(new Date(instant));
  const part = Object.fromEntries(parts.map(({ type, value }) => [type, value]));
  return `${part.year}-${part.month}-${part.day}T${part.hour}:${part.minute}:${part.second}`;
}
/**
 * The instant at which this zone's clocks read this, "2026-03-08T09:00": the first one where they read it twice. A reading that
 * clocks skip becomes the one as much later, as the server has it.
 */
export function instantIn(zone, reading) {
  const asUtc = Date.parse(`${reading.slice(0, 16)}Z`);
  const offset = (instant) => Date.parse(`${wallIn(zone, instant)}Z`) - instant;
  const [before, after] = [offset(asUtc - DAY_MS), offset(asUtc + DAY_MS)];
  const [first, second] = [asUtc - Math.max(before, after), asUtc - Math.min(before, after)];
  const shown = [first, second].find((instant) => offset(instant) === asUtc - instant);
  return new Date(shown ?? asUtc - before).toISOString().replace(".000Z", "Z");
}
/** A wall-clock time this many minutes later, ignoring clock changes: for positions in a calendar. */
export const addMinutes = (reading, minutes) => new Date(wall(`${reading.slice(0, 16)}:00`).getTime() + minutes * 60_000).toISOString().slice(0, 16);
export const minutesBetween = (from, to) => (Date.parse(to) - Date.parse(from)) / 60_000;
/** The first day of this date's week, as the reader's region has it. */
export const weekOf = (date) => addDays(date, -column(date));

export const today = (zone) => dateOf(wallIn(zone, Date.now()));

// ---------------------------------------------------------------- zones: by the names of today, with what their clocks show now

const CHOSEN = "slotwright-zone";

/** If storage is refused, in a private window or when it is full, the choice is just not remembered. */
function remembered(value) {
  try {
    if (value) localStorage.setItem(CHOSEN, value);
    return localStorage.getItem(CHOSEN);
  } catch {
    return null;
  }
}
export const rememberZone = (zone) => void remembered(zone);

/** The zone that was chosen here before, or else the browser's, by its name of today. */
export function myZone() {
  const known = remembered();
  if (NAMES.includes(known)) return known;
  const own = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
  return RENAMED[own] ?? own;
}

export const zoneText = (zone) => zone.replaceAll("_", " ");

/** How far a zone's clocks are from UTC now: "UTC+05:45"; null where this browser doesn't know the zone. */
export function zoneOffset(zone) {
  try {
    const parts = new Intl.DateTimeFormat("en", { timeZone: zone, timeZoneName: "longOffset" }).formatToParts(Date.now());
    const offset = parts.find(({ type }) => type === "timeZoneName").value.replace("GMT", "UTC").replace("-", "−");
    return offset === "UTC" ? "UTC+00:00" : offset;
  } catch {
    return null;
  }
}

/** Every zone that can be chosen, as [name, offset]. */
export const zones = (...also) =>
  [...new Set([...also, "UTC", ...NAMES])].sort().map((zone) => [zone, zoneOffset(zone)]).filter(([, offset]) => offset);

/** The zone that somebody typed: its name, or the only one that contains it; else null. */
export function findZone(text) {
  const wanted = text.trim().replaceAll(" ", "_").toLowerCase();
  const names = ["UTC", ...NAMES];
  const exact = names.find((name) => name.toLowerCase() === wanted);
  const containing = names.filter((name) => name.toLowerCase().includes(wanted));
  return exact ?? (wanted && containing.length === 1 ? containing[0] : null);
}

export function durationText(minutes) {
  const [hours, rest] = [Math.floor(minutes / 60), minutes % 60];
  return [hours && `${hours} h`, (rest || !hours) && `${rest} min`].filter(Boolean).join(" ");
}

/** A span in whole days or hours where it is one: "24 hours", "2 days", "90 min". */
export function spanText(minutes) {
  const [unit, value] = minutes > 1440 && minutes % 1440 === 0 ? ["day", minutes / 1440] : minutes % 60 === 0 ? ["hour", minutes / 60] : ["minute", minutes];
  return new Intl.NumberFormat(LOCALE, { style: "unit", unit, unitDisplay: "long" }).format(value);
}

export function moneyText({ amountMinor, currency }) {
  const money = new Intl.NumberFormat(LOCALE, { style: "currency", currency, trailingZeroDisplay: "stripIfInteger" });
  return money.format(amountMinor / 10 ** money.resolvedOptions().maximumFractionDigits);
}
