// Why a time can't be booked: in the server's words, with the nearest free times, and the rules that staff may set aside.

import { h } from "../dom.js";
import * as times from "../times.js";
import { t } from "../words.js";

/** Which rule a reason belongs to. Nobody can set existing bookings aside. */
const RULES = {
  OUTSIDE_HOURS: "HOURS", BREAK: "HOURS", EXCEPTION: "HOURS", TIME_OFF: "HOURS", DOES_NOT_FIT: "HOURS",
  NOT_ON_GRID: "GRID", TOO_SHORT_NOTICE: "NOTICE", BEYOND_HORIZON: "HORIZON", LIMIT_REACHED: "LIMITS", CUSTOMER_BUSY: "LIMITS",
  BUSY_ELSEWHERE: "BUSY_ELSEWHERE",
  BUSY_ELSEWHERE: "BUSY_ELSEWHERE",
};

/** The rules to set aside for these reasons; null if one of them can't be. */
export function rulesOf(reasons) {
  const rules = new Set(reasons.map((reason) => RULES[reason]));
  return reasons.length && !rules.has(undefined) ? [...rules] : null;
}

/**
 * A part of a dialog. show(refusal) says the server's reason and offers the nearest times: onPick(slot) is called for the one that is
 * chosen. Where staff may set the rules aside it asks, one rule at a time; `ignored` are those that were ticked.
 */
export class Obstacles {
  #zone;
  #onPick;
  #boxes = [];

  constructor(zone, onPick) {
    this.#zone = zone;
    this.#onPick = onPick;
    this.element = h("div", { class: "notice" });
    this.message = h("p", { role: "alert" });
    this.clear();
  }

  get ignored() {
    return this.#boxes.filter(({ checked }) => checked).map(({ value }) => value);
  }

  clear() {
    this.#boxes = [];
    this.element.className = "notice";
    this.message.textContent = "";
    this.element.replaceChildren(this.message);
  }

  /** `date` is that of the requested time: times on other dates are shown with their date. */
  show({ message, reasons = [], alternatives = [] }, date) {
    const ticked = this.ignored;
    this.element.className = "notice conflict";
    this.message.textContent = message;
    const slots = alternatives.map((slot) => h("li", {}, h("button", { type: "button", onclick: () => this.#pick(slot) }, this.#label(slot, date))));
    this.#boxes = (rulesOf(reasons) ?? []).map((rule) => h("input", { type: "checkbox", value: rule, checked: ticked.includes(rule) }));
    const asked = this.#boxes.length ? h("fieldset", {}, h("legend", {}, t("set_aside")), this.#boxes.map((box) => h("label", {}, box, " ", t(`rule_${box.value}`)))) : "";
    this.element.replaceChildren(this.message, ...(slots.length ? [h("p", {}, t("nearest")), h("ul", { class: "slots" }, slots)] : []), asked);
  }

  #label({ startsAt }, date) {
    const local = times.wallIn(this.#zone, startsAt);
    return (times.dateOf(local) === date ? "" : `${times.shortDateText(times.dateOf(local))}, `) + times.timeText(local);
  }

  #pick(slot) {
    this.clear();
    this.#onPick(slot);
  }
}
