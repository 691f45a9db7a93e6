// A visit in words: with whom, where, for how many, and why a time is gone.

import * as times from "./times.js";
import { LOCALE, t, tn } from "./words.js";

const list = new Intl.ListFormat(LOCALE, { type: "conjunction" });

/** "Ada Moreau and Ben Okafor". */
export const namesText = (people) => list.format(people.map(({ name }) => name));

/** "Room: Linden · Set: Hot stones"; the kinds are the practice's own words. */
export function placeText(resources) {
  const names = new Map();
  for (const { kind, name } of resources) names.set(kind, (names.get(kind) ?? new Set()).add(name));
  const title = ([first, ...rest]) => first.toLocaleUpperCase(LOCALE) + rest.join("");
  return [...names].map(([kind, those]) => `${title(kind)}: ${list.format(those)}`).join(" · ");
}

/** "Main practice, Invalidenstr. 117, 10115 Berlin"; nothing where nobody said where it is. */
export const locationText = (location) =>
  location ? [location.name, ...(location.address ?? "").split("\n")].map((line) => line.trim()).filter(Boolean).join(", ") : "";

/** Where a visit is: the location, then the rooms and devices that it takes. */
export const whereText = ({ location, resources }) => [locationText(location), placeText(resources)].filter(Boolean).join(" · ");

/** Whether bookings share its starts. A party that was booked before may have seats that the service no longer has. */
export const hasSeats = (service, seats = 1) => (service?.seats ?? 1) > 1 || seats > 1;

/** "3 seats". */
export const seatsText = (seats) => tn("seats", seats);

/** What this many seats cost at this price for one. */
export const priceOf = (price, seats) => price && { ...price, amountMinor: price.amountMinor * seats };

/** How many seats, and what they cost together: "3 seats · €54"; nothing where starts are not shared. */
export const partyText = ({ service, seats, price }) =>
  hasSeats(service, seats) ? [seatsText(seats), price && times.moneyText(price)].filter(Boolean).join(" · ") : "";

/** Why a listed time can't be booked any more. */
export function goneText(localStart, reasons = []) {
  const values = { time: times.timeText(localStart) };
  if (reasons.includes("NOBODY_FREE")) return t("nobody_free", values);
  if (reasons.includes("RESOURCE_TAKEN")) return t("room_taken", values);
  if (reasons.includes("NO_SEATS_LEFT")) return t("seats_taken", values);
  return t("just_taken", values);
}
