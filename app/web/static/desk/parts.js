// Building blocks of the desk's dialogs.

import { h } from "../dom.js";
import { t } from "../words.js";

let count = 0;

/**
 * Opens a modal dialog with this title, these parts and these buttons. It closes on Escape and on Close, is removed then, and the focus
 * returns to where it was; `onclose` is called. say(message) shows what is wrong in it. In a `form`, Enter presses the submit button.
 */
export function openDialog({ title, parts, actions = [], onclose, wide = false, form = false }) {
  const id = `dialog-${(count += 1)}`;
  const opener = document.activeElement;
  const problem = h("p", { class: "notice problem", role: "alert", hidden: true });
  const content = [
    h("h2", { id, tabindex: "-1" }, title),
    ...parts,
    problem,
    h("p", { class: "actions" }, ...actions, h("button", { type: "button", class: "button", onclick: () => element.close() }, t("close"))),
  ];
  const element = h("dialog", { "aria-labelledby": id, class: wide ? "wide" : null },
    form ? h("form", { novalidate: true, onsubmit: (event) => event.preventDefault() }, content) : content);
  element.addEventListener("close", () => {
    element.remove();
    if (document.activeElement === document.body) (opener?.isConnected ? opener : redrawn(opener))?.focus();
    onclose?.();
  });
  document.body.append(element);
  element.showModal();
  (element.querySelector("[autofocus]") ?? element.querySelector("h2")).focus();
  const say = (message) => {
    problem.hidden = !message;
    problem.textContent = message ?? "";
  };
  return { element, say, close: () => element.close() };
}

/** The element that replaced one that is gone: the grid and the lists are redrawn whenever something changes. */
function redrawn(element) {
  const key = element?.dataset.block ?? element?.dataset.open;
  return key ? document.querySelector(`[data-block="${CSS.escape(key)}"], [data-open="${CSS.escape(key)}"]`) : document.querySelector("main h1:not([hidden] *)");
}

/** A field with its label and an optional hint. */
export function field(label, input, hint) {
  input.id ||= `field-${(count += 1)}`;
  const error = h("span", { id: `${input.id}-error`, class: "error" });
  input.setAttribute("aria-describedby", error.id);
  return h("p", { class: "field" }, h("label", { for: input.id }, label), input, hint && h("small", {}, hint), error);
}

/** Marks the input as invalid, with this message; without a message, as valid. */
export function fault(input, message) {
  input.setAttribute("aria-invalid", String(Boolean(message)));
  document.getElementById(`${input.id}-error`).textContent = message ?? "";
}

export const select = (options, chosen, properties = {}) =>
  h("select", properties, options.map(([value, text]) => h("option", { value, selected: value === chosen }, text)));

/** A button for an action; it can't be pressed again while the action runs. */
export function doing(label, action, { kind = "button", type = "button" } = {}) {
  const button = h("button", { type, class: kind, onclick: async (event) => {
    event.preventDefault();
    if (button.getAttribute("aria-disabled") === "true") return;
    button.setAttribute("aria-disabled", "true");
    try {
      await action();
    } finally {
      button.removeAttribute("aria-disabled");
    }
  } }, label);
  return button;
}

/** A text to be copied by hand, or by a button where the browser lets pages copy: over https only. */
export function secret(label, value) {
  const input = h("input", { type: "text", readonly: true, value, onfocus: () => input.select() });
  const copy = navigator.clipboard && doing(t("copy_it"), async () => {
    await navigator.clipboard.writeText(value);
    copy.textContent = t("copied");
  });
  return [field(label, input), copy ? h("p", {}, copy) : ""];
}
