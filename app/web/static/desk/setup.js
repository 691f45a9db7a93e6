// Settings of people, rooms, services and locations: their calendars; for administrators also locations, archiving and webhooks.

import { h } from "../dom.js";
import { t } from "../words.js";
import { VISIT } from "./agenda.js";
import { calendarsOf } from "./calendars.js";
import { doing, fault, field, openDialog, select } from "./parts.js";
import { PREVIEW, previewParts } from "./stranded.js";
import { openWebhooks } from "./webhooks.js";

const update = (type) => `mutation Update($input: Update${type}Input!) {
  answer: update${type}(input: $input) {
    __typename
    ... on ${type} { id name isArchived }
    ${PREVIEW}
    ... on UserError { message }
  }
}`;
const UPDATE = { Provider: update("Provider"), Resource: update("Resource"), Service: update("Service") };
const edit = (verb) => `mutation Edit($input: ${verb}LocationInput!) {
  answer: ${verb.toLowerCase()}Location(input: $input) {
    __typename
    ... on Location { id }
    ... on InvalidInputError { field }
    ... on UserError { message }
  }
}`;
const [CREATE_LOCATION, UPDATE_LOCATION] = [edit("Create"), edit("Update")];

/** The list of everything that this member of staff may change; each entry opens. */
export function openSetup(desk) {
  const lists = h("div", {});
  const item = (one, facts, open) => {
    const button = doing([h("b", {}, one.name), " ", h("small", {}, [...facts, one.isArchived && t("archived")].filter(Boolean).join(" · "))], open, { kind: null });
    button.dataset.open = one.id;
    return h("li", {}, button);
  };
  const section = (title, items, more = "") => [h("h3", {}, title), h("ul", { class: "work" }, items), more];
  const fill = () => {
    const focused = document.activeElement?.dataset.open;
    const { isAdmin, own, everyone, everything, everyService, locations } = desk.practice;
    const mine = ({ id, isArchived }) => isAdmin || (!isArchived && (!own || id === own));
    const thing = (type) => (one) => item(one, [one.kind, one.location?.name], () => openThing(desk, type, one, setup));
    lists.replaceChildren(
      ...section(t("people"), everyone.filter(mine).map(thing("Provider"))),
      ...(own ? [] : section(t("rooms"), everything.filter(mine).map(thing("Resource")))));
    if (isAdmin) lists.append(
      ...section(t("services"), everyService.map(thing("Service"))),
      ...section(t("locations"), locations.map((one) => item(one, [one.address], () => openLocation(desk, one, setup))),
        h("button", { type: "button", class: "link", "data-open": "new location", onclick: () => openLocation(desk, null, setup) }, t("location_new"))),
      ...section(t("webhooks"), [item({ id: "webhooks", name: t("webhooks") }, [], () => openWebhooks(desk))]));
    if (focused) lists.querySelector(`[data-open="${CSS.escape(focused)}"]`)?.focus();
  };
  document.addEventListener("practice", fill); // an edit, here or in another window
  const dialog = openDialog({ title: t("setup"), wide: true, parts: [lists], onclose: () => document.removeEventListener("practice", fill) });
  const setup = { close: dialog.close, changed: desk.reload };
  fill();
}

/** A provider, a resource or a service: its calendars; for administrators also its location, and archiving it or bringing it back. */
async function openThing(desk, type, thing, setup) {
  const { id, name, isArchived, location } = thing;
  const { isAdmin } = desk.practice;
  const send = async (changes) => {
    dialog.say(null);
    try {
      const { answer } = await desk.api.query(UPDATE[type] + VISIT, { input: { id, ...changes } });
      if (!answer.message) return answer;
      dialog.say(answer.message);
    } catch (problem) {
      dialog.say(problem.message);
    }
    return null;
  };
  const saved = (text) => {
    dialog.close();
    desk.done(text);
    return setup.changed();
  };
  const bringBack = doing(t("bring_back"), async () => await send({ isArchived: false }) && saved(t("is_back", { name })));

  const preview = h("div", { class: "preview", role: "status" });
  let isPreviewed = false;
  /** The first press shows a preview, the second one archives. */
  const archive = doing(t("archive_open"), async () => {
    const answer = await send({ isArchived: true, dryRun: !isPreviewed });
    if (!answer) return;
    if (isPreviewed) return archived();
    isPreviewed = true;
    preview.replaceChildren(h("p", {}, t("archive_hint")), ...previewParts(desk, answer));
    archive.textContent = t("archive_do", { name });
  }, { kind: "button danger" });
  const archived = async () => {
    dialog.close();
    setup.close();
    const undo = async () => {
      await desk.api.query(UPDATE[type] + VISIT, { input: { id, isArchived: false } }).catch(() => null);
      desk.reload();
    };
    desk.done(t("is_archived", { name }), { undo });
    await desk.reload();
    await desk.stranded.load();
    desk.stranded.openIfAny();
  };

  const places = desk.practice.locations.filter((one) => !one.isArchived || one.id === location?.id);
  const place = isAdmin && type !== "Resource" && places.length ? select([["", t("no_location")], ...places.map((one) => [one.id, one.name])], location?.id ?? "") : null;
  const save = place && doing(t("save"), async () => await send({ locationId: place.value || null }) && saved(t("saved")), { kind: "primary" });
  // Loaded before the dialog opens, so that nothing in it moves under a finger.
  let dialog = null;
  let problem = null;
  const say = (message) => dialog ? dialog.say(message) : problem = message;
  const calendars = type === "Service" || isArchived ? "" : await calendarsOf(desk, type, thing, say);
  dialog = openDialog({
    title: name,
    wide: true,
    parts: [isArchived ? h("p", { class: "hint" }, t("archive_hint")) : "", place ? field(t("location"), place) : "", calendars, preview],
    actions: [save, isAdmin && (isArchived ? bringBack : archive)].filter(Boolean),
  });
  if (problem) dialog.say(problem);
}

/** A location, or a new one. */
function openLocation(desk, location, setup) {
  const text = (value, maxlength, type = "text") => h("input", { type, value: value ?? "", maxlength });
  const lines = (value, maxlength) => h("textarea", { rows: 3, maxlength }, value ?? "");
  const inputs = {
    name: text(location?.name, 200),
    address: lines(location?.address, 500),
    phone: text(location?.phone, 40, "tel"),
    email: text(location?.email, 200, "email"),
    url: text(location?.url, 500, "url"),
    directions: lines(location?.directions, 1000),
  };
  const archived = h("input", { type: "checkbox", checked: location?.isArchived });
  const save = doing(t("save"), async () => {
    dialog.say(null);
    for (const input of Object.values(inputs)) fault(input, null);
    const words = Object.fromEntries(Object.entries(inputs).map(([name, { value }]) => [name, value.trim() || null]));
    const input = location ? { id: location.id, isArchived: archived.checked, ...words, name: words.name ?? "" } : { ...words, name: words.name ?? "" };
    try {
      const { answer } = await desk.api.query(location ? UPDATE_LOCATION : CREATE_LOCATION, { input });
      const wrong = inputs[answer.field];
      if (wrong) return fault(wrong, answer.message), wrong.focus();
      if (answer.message) return dialog.say(answer.message);
      dialog.close();
      desk.done(t("saved"));
      await setup.changed();
    } catch (problem) {
      dialog.say(problem.message);
    }
  }, { kind: "primary", type: "submit" });
  const dialog = openDialog({
    title: location?.name ?? t("location_new"),
    form: true,
    parts: [
      field(t("name"), inputs.name),
      field(t("address"), inputs.address),
      h("div", { class: "row" }, field(t("phone"), inputs.phone), field(t("email"), inputs.email)),
      field(t("website"), inputs.url),
      field(t("directions"), inputs.directions),
      location ? h("p", {}, h("label", {}, archived, " ", t("out_of_use"))) : "",
    ],
    actions: [save],
  });
  inputs.name.focus();
}
