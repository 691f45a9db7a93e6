// A visit in words: with whom, where, and why a time is gone.

import * as times from "./times.js";
import { LOCALE, t } from "./words.js";

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

/** Why a time that was on offer can't be had any more. */
export function goneText(localStart, reasons = []) {
  const values = { time: times.timeText(localStart) };
  if (reasons.includes("NOBODY_FREE")) return t("nobody_free", values);
  if (reasons.includes("RESOURCE_TAKEN")) return t("room_taken", values);
  return t("just_taken", values);
}
