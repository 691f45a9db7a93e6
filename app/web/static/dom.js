// Elements without a framework.

import { t } from "./words.js";

/** An element with properties and attributes (`class`, `data-…`, `aria-…`, `on…` are understood) and children; false and null leave out. */
export function h(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

export const $ = (id) => document.getElementById(id);

/** Announces a text to screen readers. */
export function announce(text) {
  $("announcer").textContent = text;
}

/** Shows one of the sections of <main>, and puts the focus on its heading, so that everybody knows where they are. */
export function showSection(id) {
  for (const section of document.querySelectorAll("main > section")) section.hidden = section.id !== id;
  const heading = $(id).querySelector("h1");
  document.title = `${heading.textContent} · Slotwright`;
  heading.tabIndex = -1;
  heading.focus({ preventScroll: true });
  scrollTo({ top: 0 });
}

/** The page's error message, with a button to try again; without a message it is hidden. */
export function showProblem(message, retry) {
  const place = $("problem");
  place.hidden = !message;
  place.replaceChildren();
  if (message) place.append(h("span", {}, message), retry ? h("button", { type: "button", onclick: retry }, t("try_again")) : "");
}
