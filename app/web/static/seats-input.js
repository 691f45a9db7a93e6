// How many seats a party takes: a number input that reports each valid change at once.

import { t } from "./words.js";

export class SeatsInput {
  #input;
  #error;
  #seats;

  constructor(input, error, onChange) {
    this.#input = input;
    this.#error = error;
    input.addEventListener("input", () => {
      const seats = input.valueAsNumber;
      const valid = input.value !== "" && input.checkValidity();
      this.#say(!valid && seats > input.max ? t("seats_at_most", { count: input.max }) : "");
      if (!valid || seats === this.#seats) return;
      this.#seats = seats;
      onChange(seats);
    });
    // An invalid number is reset when the field loses the focus.
    input.addEventListener("blur", () => {
      input.value = this.#seats;
      this.#say("");
    });
  }

  /** Shows this number of seats, at most `most`. */
  show(seats, most) {
    this.#seats = seats;
    this.#input.max = most;
    this.#input.value = seats;
    this.#say("");
  }

  #say(text) {
    this.#error.textContent = text;
    this.#input.setAttribute("aria-invalid", String(Boolean(text)));
  }
}
