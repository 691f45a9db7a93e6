// What is in the way of a time, and the nearest times that are free.

import { h } from "../dom.js";
import * as times from "../times.js";
import { t } from "../words.js";

/**
 * A part of a dialog. show(refusal) says the server's reason, each of its codes in words of the desk, and the alternatives as buttons;
 * onPick(slot) is called for the one that is chosen.
 */
export function obstacles(onPick, zone) {
  const element = h("div", { class: "notice", role: "alert" });
  const clear = () => {
    element.className = "notice";
    element.replaceChildren();
  };
  const label = ({ startsAt }) => {
    const local = times.wallIn(zone, startsAt);
    return `${times.shortDateText(times.dateOf(local))}, ${times.timeText(local)}`;
  };
  const pick = (slot) => {
    clear();
    onPick(slot);
  };
  function show({ message, reasons = [], alternatives = [] }) {
    element.className = "notice conflict";
    element.replaceChildren(
      h("p", {}, message),
      reasons.length ? h("ul", { class: "reasons" }, reasons.map((reason) => h("li", {}, t(`why_${reason}`)))) : "",
      alternatives.length ? h("p", {}, t("nearest")) : "",
      h("ul", { class: "slots" }, alternatives.map((slot) => h("li", {}, h("button", { type: "button", onclick: () => pick(slot) }, label(slot))))));
  }
  return { element, show, clear };
}
