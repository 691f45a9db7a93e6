// The search at the top: people, and their appointments.

import { $, announce, h } from "../dom.js";
import { t, tn } from "../words.js";
import { VISIT } from "./agenda.js";
import { book } from "./book.js";
import { openDialog } from "./parts.js";
import { reachText, whileTyping } from "./person.js";
import { visitList } from "./stranded.js";
import { openVisit } from "./visit.js";

const SEARCH = `query Search($search: String!, $from: DateTime!) {
  customers(search: $search, first: 6) { nodes { id name email phone } }
  appointments(search: $search, from: $from, first: 6) { nodes { ...Visit } }
}`;
const PERSON = `query Person($id: ID!) {
  customer(id: $id) { id name email phone appointments(orderBy: START_DESC, first: 20) { nodes { ...Visit } } }
}`;

const HOUR_MS = 3_600_000;

/** Makes the field with the id `search` find people and their appointments during typing; the results are below it. */
export function listenToSearch(desk) {
  const [input, results] = [$("search"), $("found")];
  let asked = 0;
  const close = () => { results.hidden = true; };
  const leave = (open) => () => { close(); open(); };
  whileTyping(input, async (text) => {
    const run = (asked += 1);
    if (text.length < 2) return close();
    const from = new Date(Date.now() - 24 * HOUR_MS).toISOString(); // what has just been, and what is to come
    const answer = await desk.api.query(SEARCH + VISIT, { search: text, from }).catch((problem) => ({ problem }));
    if (run !== asked) return;
    const people = answer.customers?.nodes ?? [];
    const visits = answer.appointments?.nodes ?? [];
    const found = answer.problem?.message ?? [tn("people_found", people.length), tn("visits_found", visits.length)].join(", ");
    results.replaceChildren(
      h("p", { class: "hint" }, found),
      h("ul", {}, people.map((one) => h("li", {}, h("button", { type: "button", onclick: leave(() => openPerson(desk, one.id)) }, h("b", {}, one.name), " ", h("small", {}, reachText(one)))))),
      visitList(desk, visits, (visit) => leave(() => openVisit(desk, visit.id))()));
    results.hidden = false;
    announce(found);
  });
  const place = results.parentElement;
  place.addEventListener("keydown", (event) => {
    if (event.key !== "Escape" || results.hidden) return;
    close();
    input.focus();
  });
  place.addEventListener("focusout", ({ relatedTarget }) => place.contains(relatedTarget) || close());
}

/** Somebody the practice knows, with their appointments, the latest first. */
async function openPerson(desk, id) {
  let person;
  try {
    person = (await desk.api.query(PERSON + VISIT, { id })).customer;
  } catch (problem) {
    return desk.done(problem.message);
  }
  if (!person) return desk.done(t("gone"));
  const { name, appointments } = person;
  const dialog = openDialog({
    title: name,
    wide: true,
    parts: [h("p", { class: "facts" }, reachText(person)), visitList(desk, appointments.nodes, (visit) => openVisit(desk, visit.id))],
    actions: [h("button", { type: "button", class: "primary", onclick: () => { dialog.close(); book(desk, { customer: person }); } }, t("book_open"))],
  });
}
