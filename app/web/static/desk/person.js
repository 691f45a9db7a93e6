// Choosing the customer of a booking: a known one, found by half a name, or a new one.

import { h } from "../dom.js";
import { LOCALE, t, tn } from "../words.js";
import { fault, field } from "./parts.js";

export const FIND = `query Find($search: String!) {
  customers(search: $search, first: 6) { nodes { id name email phone } }
}`;
const CREATE = `mutation Create($input: CreateCustomerInput!) {
  answer: createCustomer(input: $input) {
    __typename
    ... on Customer { id name email phone }
    ... on InvalidInputError { field }
    ... on UserError { message }
  }
}`;

const TYPING_MS = 200;
export const reachText = ({ email, phone }) => [email, phone].filter(Boolean).join(" · ");

/** Calls find(text) when somebody stops typing; with an empty text at once. */
export function whileTyping(input, find) {
  let waiting;
  input.addEventListener("input", () => {
    clearTimeout(waiting);
    waiting = setTimeout(() => find(input.value.trim()), input.value.trim() ? TYPING_MS : 0);
  });
}

export class PersonField {
  #desk;
  #chosen;
  #made = null; // { request, id }: a second attempt to book is for the same new customer
  #asked = 0;

  constructor(desk, customer = null) {
    this.#desk = desk;
    this.#chosen = customer;
    const input = (name, type) => h("input", { name, type, autocomplete: "off", maxlength: name === "phone" ? 40 : 200 });
    [this.name, this.email, this.phone] = [input("name", "text"), input("email", "email"), input("phone", "tel")];
    this.name.required = true;
    this.found = h("ul", { class: "found" });
    this.count = h("p", { class: "unseen", role: "status" });
    this.element = h("div", { class: "person" });
    whileTyping(this.name, (text) => this.#find(text));
    this.#render();
  }

  focus() {
    (this.#chosen ? this.element.querySelector("button") : this.name).focus();
  }

  #render() {
    this.found.replaceChildren();
    if (this.#chosen) {
      const other = h("button", { type: "button", class: "link", onclick: () => this.#choose(null) }, t("somebody_else"));
      return this.element.replaceChildren(h("p", { class: "card chosen" }, h("b", {}, this.#chosen.name), h("small", {}, reachText(this.#chosen)), other));
    }
    this.element.replaceChildren(field(t("name"), this.name), this.found, this.count, h("div", { class: "row" }, field(t("email"), this.email), field(t("phone"), this.phone)));
  }

  #choose(customer) {
    this.#chosen = customer;
    this.#render();
    this.focus();
  }

  async #find(text) {
    const run = (this.#asked += 1);
    const people = text.length < 2 ? [] : (await this.#desk.api.query(FIND, { search: text }).catch(() => ({}))).customers?.nodes ?? [];
    if (run !== this.#asked) return;
    this.count.textContent = people.length ? tn("people_found", people.length) : "";
    this.found.replaceChildren(...people.map((one) =>
      h("li", {}, h("button", { type: "button", onclick: () => this.#choose(one) }, h("b", {}, one.name), " ", h("small", {}, reachText(one))))));
  }

  /** The id of the customer, found or newly created. Null if a field is invalid, which is then marked. */
  async customerId() {
    if (this.#chosen) return this.#chosen.id;
    for (const input of [this.name, this.email, this.phone]) fault(input, input.validationMessage);
    const wrong = [this.name, this.email, this.phone].find(({ validationMessage }) => validationMessage);
    if (wrong) return wrong.focus(), null;
    const text = (input) => input.value.trim() || null;
    const input = { name: text(this.name), email: text(this.email), phone: text(this.phone), locale: LOCALE, timeZone: this.#desk.zone };
    const request = JSON.stringify(input);
    if (this.#made?.request === request) return this.#made.id;
    const { answer } = await this.#desk.api.query(CREATE, { input });
    if (answer.id) {
      this.#made = { request, id: answer.id };
      return answer.id;
    }
    const named = this[answer.field] ?? this.name;
    fault(named, answer.message);
    named.focus();
    return null;
  }
}
