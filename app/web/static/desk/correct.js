// Correcting the contact and notes of a visit; and a new link for the customer, if the old one got into the wrong hands.

import { h } from "../dom.js";
import { t } from "../words.js";
import { VISIT } from "./agenda.js";
import { nameOf } from "./grid.js";
import { doing, fault, field, openDialog, secret } from "./parts.js";

const CORRECT = `mutation Correct($input: UpdateAppointmentInput!) {
  answer: updateAppointment(input: $input) {
    __typename
    ... on Appointment { ...Visit }
    ... on InvalidInputError { field }
    ... on UserError { message }
  }
}`;
const RENEW = `mutation Renew($input: RenewManageTokenInput!) {
  answer: renewManageToken(input: $input) {
    __typename
    ... on BookingConfirmation { manageToken appointment { ...Visit } }
    ... on UserError { message }
  }
}`;

export function correct(desk, visit) {
  const { contact } = visit;
  const input = (value, type, maxlength = 200) => h("input", { type, value: value ?? "", maxlength, autocomplete: "off" });
  const lines = (value) => h("textarea", { rows: 2, maxlength: 2000 }, value ?? "");
  const inputs = {
    "contact.name": input(contact.name, "text"),
    "contact.email": input(contact.email, "email"),
    "contact.phone": input(contact.phone, "tel", 40),
    notes: lines(visit.notes),
    staffNotes: lines(visit.staffNotes),
  };
  const save = doing(t("save"), async () => {
    dialog.say(null);
    for (const one of Object.values(inputs)) fault(one, null);
    const [name, email, phone, notes, staffNotes] = Object.values(inputs).map(({ value }) => value.trim() || null);
    try {
      const { answer } = await desk.api.query(CORRECT + VISIT, {
        input: { appointmentId: visit.id, expectedVersion: visit.version, contact: { ...contact, name: name ?? "", email, phone }, notes, staffNotes },
      });
      const wrong = inputs[answer.field];
      if (wrong) return fault(wrong, answer.message), wrong.focus();
      if (answer.message) return dialog.say(answer.message);
      dialog.close();
      desk.done(t("corrected", { name: nameOf(answer) }), { visits: [answer] });
    } catch (problem) {
      dialog.say(problem.message);
    }
  }, { kind: "primary", type: "submit" });
  const dialog = openDialog({
    title: t("correct_title", { name: nameOf(visit) }),
    form: true,
    parts: [
      field(t("name"), inputs["contact.name"]),
      h("div", { class: "row" }, field(t("email"), inputs["contact.email"]), field(t("phone"), inputs["contact.phone"])),
      field(t("notes_desk"), inputs.notes),
      field(t("staff_notes"), inputs.staffNotes),
      h("p", { class: "hint" }, t("correct_hint")),
    ],
    actions: [save],
  });
  inputs["contact.name"].focus();
}

/** The page where customers manage a visit; null if this server knows none. */
function manageLink({ id }, token) {
  const { manage } = document.body.dataset;
  const link = manage.replace("{token}", encodeURIComponent(token)).replace("{appointment}", encodeURIComponent(id));
  return manage ? new URL(link, location.href).href : null;
}

export const hasManageLinks = () => Boolean(document.body.dataset.manage);

/** Asks first, since the old link stops working at once; then shows the new one. */
export function renewLink(desk, visit) {
  const place = h("div", { role: "status" });
  const renew = doing(t("new_link_do"), async () => {
    dialog.say(null);
    try {
      const { answer } = await desk.api.query(RENEW + VISIT, { input: { appointmentId: visit.id } });
      if (answer.message) return dialog.say(answer.message);
      desk.done(t("new_link_made"), { visits: [answer.appointment] });
      place.replaceChildren(...secret(t("link"), manageLink(visit, answer.manageToken)));
      place.querySelector("input").select();
      renew.remove();
    } catch (problem) {
      dialog.say(problem.message);
    }
  }, { kind: "primary" });
  const dialog = openDialog({ title: t("new_link_title", { name: nameOf(visit) }), parts: [h("p", {}, t("new_link_hint")), place], actions: [renew] });
}
