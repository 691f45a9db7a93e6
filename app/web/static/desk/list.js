// The day as a list by time: for narrow screens, screen readers and paper.

import { h } from "../dom.js";
import * as times from "../times.js";
import { hasSeats, namesText } from "../visit.js";
import { t } from "../words.js";
import { blocksOf, nameOf, titleOf } from "./grid.js";

/** Shows the visits of these columns on the dates of `agenda`. open(block) or away(absence) is called with the chosen one. */
export function showList(root, { from, to, zone, columns, agenda }, { open, away }) {
  const shown = new Set(columns.map(({ id }) => id));
  const takesPart = ({ providers, resources }) => [...providers, ...resources].some(({ id }) => shown.has(id));
  const blocks = blocksOf(agenda.visits.filter(takesPart));
  const focused = document.activeElement?.dataset.open;
  const absences = agenda.absences(zone).filter(({ subject, start, end }) => shown.has(subject.id) && end > `${from}T00:00` && start < `${times.addDays(to, 1)}T00:00`)
    .sort((one, other) => one.start.localeCompare(other.start));
  root.replaceChildren(h("ul", { class: "absences" }, absences.map((one) => absence(one, away))), !blocks.length ? h("p", { class: "hint" }, t("nothing_booked")) : h("table", {},
    h("caption", { class: "unseen" }, t("day_list")),
    h("thead", {}, h("tr", {}, ["column_time", "column_who", "column_what", "column_with"].map((name) => h("th", { scope: "col" }, t(name))))),
    h("tbody", {}, blocks.map((block) => row(block, zone, open)))));
  if (focused) root.querySelector(`[data-open="${CSS.escape(focused)}"]`)?.focus();
}

function absence(one, away) {
  const { key, subject, start, end, timeOff, source } = one;
  const span = start.slice(0, 10) === end.slice(0, 10) ? [start, end].map(times.timeText) : [start, end].map((at) => `${times.shortDateText(at.slice(0, 10))}, ${times.timeText(at)}`);
  const what = timeOff
    ? h("button", { type: "button", class: "link", "data-open": key, onclick: () => away(one) }, [t("time_off"), timeOff.reason].filter(Boolean).join(" · "))
    : source.name;
  return h("li", {}, h("b", {}, subject.name), " ", what, ` · ${span.join(" – ")}`);
}

function row(block, zone, open) {
  const [visit] = block.visits;
  const clock = (instant) => times.timeText(times.wallIn(zone, instant));
  const party = hasSeats(visit.service, visit.seats) && visit.status === "CONFIRMED";
  return h("tr", { class: `visit-${visit.status}` },
    h("td", { class: "time" }, `${clock(visit.startsAt)} – ${clock(visit.endsAt)}`),
    h("th", { scope: "row" },
      h("button", { type: "button", class: "link", "data-open": block.key, onclick: () => open(block) }, titleOf(block)),
      party && h("ul", { class: "party" }, block.visits.map((one) => h("li", {}, nameOf(one)))),
      visit.status === "CONFIRMED" ? null : h("span", { class: "badge" }, t(`status_${visit.status}`)),
      h("small", { class: "phone" }, party ? "" : visit.contact?.phone ?? "")),
    h("td", {}, visit.service?.name ?? t("appointment"), visit.notes && h("small", {}, ` ${visit.notes}`)),
    h("td", {}, [namesText(visit.providers), ...visit.resources.map(({ name }) => name), visit.location?.name].filter(Boolean).join(" · ")));
}
