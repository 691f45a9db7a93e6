// An appointment as a file that calendar programs open (RFC 5545).

import { t } from "./words.js";

const instant = (text) => new Date(text).toISOString().replace(/[-:]|\.\d+/g, "");
const escaped = (text) => text.replace(/[\\;,]/g, "\\$&").replace(/\r?\n/g, "\\n");

/** Lines are at most 75 octets long; a longer one goes on in the next, after a space. */
function folded(line) {
  const encoder = new TextEncoder();
  const parts = [""];
  let size = 0;
  for (const character of line) {
    const octets = encoder.encode(character).length;
    if (size + octets > 74) {
      parts.push("");
      size = 0;
    }
    parts[parts.length - 1] += character;
    size += octets;
  }
  return parts.join("\r\n ");
}

export function calendarFile({ calendarUid, version, startsAt, endsAt, title, place, link }) {
  const lines = [
    "BEGIN:VCALENDAR",
    "VERSION:2.0",
    "PRODID:-//Slotwright//Slotwright//EN",
    "BEGIN:VEVENT",
    `UID:${calendarUid}`,
    `SEQUENCE:${version}`,
    `DTSTAMP:${instant(new Date())}`,
    `DTSTART:${instant(startsAt)}`,
    `DTEND:${instant(endsAt)}`,
    `SUMMARY:${escaped(title)}`,
    ...(place ? [`LOCATION:${escaped(place)}`] : []),
    `DESCRIPTION:${escaped(`${t("view_appointment")}: ${link}`)}`,
    `URL:${link}`,
    "END:VEVENT",
    "END:VCALENDAR",
    "",
  ];
  return new Blob([lines.map(folded).join("\r\n")], { type: "text/calendar" });
}
