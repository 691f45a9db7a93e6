// Stranded visits, which the current hours would not allow: somebody has to move or cancel them.

import { $, h } from "../dom.js";
import * as times from "../times.js";
import { namesText } from "../visit.js";
import { t, tn } from "../words.js";
import { VISIT } from "./agenda.js";
import { nameOf } from "./grid.js";
import { openDialog } from "./parts.js";
import { openVisit } from "./visit.js";

const STRANDED = `query Stranded { strandedAppointments(first: 100) { nodes { ...Visit } pageInfo { hasNextPage } } }`;
/** The fields of a dry run's answer. */
export const PREVIEW = `... on ChangePreview { openMinutesLost strandedCount stranded { ...Visit } }`;
const SETTLE_MS = 400; // several changes at once are one question

/** A list of visits, each of which opens. */
export const visitList = (desk, visits, open) => h("ul", { class: "work" }, visits.map((visit) => h("li", {},
  h("button", { type: "button", "data-open": visit.id, onclick: () => open(visit) },
    h("b", {}, nameOf(visit)), " ",
    h("span", {}, times.fullText(times.wallIn(desk.zone, visit.startsAt))), " ",
    h("small", {}, [visit.service?.name, namesText(visit.providers), visit.status !== "CONFIRMED" && t(`status_${visit.status}`)].filter(Boolean).join(" · "))))));

/** What a change would do: the open time that it takes, and the visits that would have to be moved or cancelled. */
export const previewParts = (desk, { openMinutesLost: lost, strandedCount: count, stranded }) => [
  h("p", {}, t("takes_open_time", { time: times.durationText(lost) }), " ", h("b", {}, count ? tn("would_strand", count) : t("strands_nobody"))),
  visitList(desk, stranded, (visit) => openVisit(desk, visit.id)),
];

export class Stranded {
  #desk;
  #visits = [];
  #timer;
  #list = null; // of the dialog, while it is open

  constructor(desk) {
    this.#desk = desk;
    $("stranded").addEventListener("click", () => this.open());
  }

  /** Loads again soon, after a change. */
  refresh() {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.load(), SETTLE_MS);
  }

  async load() {
    const answer = await this.#desk.api.query(STRANDED + VISIT).catch(() => null);
    if (!answer?.strandedAppointments) return; // asked again with the next change
    const { nodes, pageInfo } = answer.strandedAppointments;
    this.#visits = nodes;
    $("stranded").hidden = !nodes.length;
    $("stranded").textContent = tn("to_work_off", nodes.length, { count: pageInfo.hasNextPage ? `${nodes.length}+` : nodes.length });
    if (this.#list?.isConnected) this.#fill();
  }

  /** The list stays while its visits are moved and cancelled one by one. */
  open() {
    this.#list = h("div", {});
    openDialog({ title: t("stranded_title"), wide: true, parts: [h("p", { class: "hint" }, t("stranded_hint")), this.#list] });
    this.#fill();
  }

  /** Opens the list if it is not empty and not open already. */
  openIfAny() {
    if (this.#visits.length && !this.#list?.isConnected) this.open();
  }

  #fill() {
    const focused = document.activeElement?.dataset.open;
    const list = visitList(this.#desk, this.#visits, (visit) => openVisit(this.#desk, visit.id));
    this.#list.replaceChildren(this.#visits.length ? list : h("p", {}, t("nothing_stranded")));
    if (focused) (this.#list.querySelector(`[data-open="${CSS.escape(focused)}"]`) ?? this.#list.querySelector("button"))?.focus();
  }
}
