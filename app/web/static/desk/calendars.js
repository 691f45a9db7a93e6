// Other calendars that make somebody busy, and the address of the feed that calendar programs read.

import { h } from "../dom.js";
import * as times from "../times.js";
import { t } from "../words.js";
import { doing, fault, field, secret } from "./parts.js";

const SEE = `query Calendars($id: ID!) {
  node(id: $id) {
    ... on Provider { calendarFeedUrl busySources { ...Source } }
    ... on Resource { busySources { ...Source } }
  }
}
fragment Source on BusySource { id name url lastReadAt failingSince problem }`;
const ADD = `mutation AddFeed($input: AddBusyFeedInput!) {
  answer: addBusyFeed(input: $input) {
    __typename
    ... on InvalidInputError { field }
    ... on UserError { message }
  }
}`;
const REMOVE = `mutation RemoveSource($input: RemoveBusySourceInput!) {
  answer: removeBusySource(input: $input) { ... on UserError { message } }
}`;
const RENEW = `mutation RenewFeed($input: RenewCalendarFeedInput!) {
  answer: renewCalendarFeed(input: $input) {
    __typename
    ... on Provider { calendarFeedUrl }
    ... on UserError { message }
  }
}`;

/** A part of the dialog of a provider or a resource, once it is loaded; say(message) shows what went wrong in it. */
export async function calendarsOf(desk, type, { id }, say) {
  const root = h("div", {});
  const when = (instant) => times.fullText(times.wallIn(desk.zone, instant));
  const ask = async (document, variables) => {
    say(null);
    try {
      return await desk.api.query(document, variables);
    } catch (problem) {
      say(problem.message);
      return null;
    }
  };
  /** Makes the change and reloads; returns the answer, which may be a refusal. */
  const change = async (document, input) => {
    const done = await ask(document, { input });
    if (!done) return null;
    if (!done.answer.message) await load();
    else if (!done.answer.field) say(done.answer.message);
    return done.answer;
  };

  const state = ({ url, lastReadAt, failingSince, problem }) => {
    if (failingSince) return h("small", { class: "fault" }, t("failing_since", { time: when(failingSince) }), " ", problem ?? "");
    return h("small", {}, !url && !lastReadAt ? t("pushed") : lastReadAt ? t("read_at", { time: when(lastReadAt) }) : t("not_read_yet"));
  };
  const source = (one) => h("li", {}, h("b", {}, one.name), " ", state(one), h("br"),
    doing(t("remove_named", { name: one.name }), () => change(REMOVE, { id: one.id }), { kind: "link" }));

  function adding() {
    const inputs = { name: h("input", { maxlength: 100 }), url: h("input", { type: "url", maxlength: 2000, autocomplete: "off" }) };
    const add = doing(t("add_calendar"), async () => {
      for (const input of Object.values(inputs)) fault(input, null);
      const owner = type === "Provider" ? { providerId: id } : { resourceId: id };
      const answer = await change(ADD, { ...owner, name: inputs.name.value.trim(), url: inputs.url.value.trim() });
      const wrong = inputs[answer?.field];
      if (wrong) fault(wrong, answer.message), wrong.focus();
    });
    return h("details", {}, h("summary", {}, t("add_calendar_open")),
      field(t("calendar_name"), inputs.name), field(t("calendar_address"), inputs.url, t("calendar_address_hint")), h("p", {}, add));
  }

  function feed({ calendarFeedUrl: url }) {
    const renew = doing(t(url ? "renew_address" : "make_address"), async () => {
      const answer = await change(RENEW, { providerId: id });
      if (answer?.calendarFeedUrl === null) say(t("no_public_address"));
    });
    return [h("h3", {}, t("feed_title")), h("p", { class: "hint" }, t(url ? "feed_hint" : "feed_none")), ...(url ? secret(t("feed_address"), url) : []), h("p", {}, renew)];
  }

  async function load() {
    const owner = (await ask(SEE, { id }))?.node;
    if (!owner?.busySources) return;
    root.replaceChildren(
      h("h3", {}, t("calendars_elsewhere")),
      h("p", { class: "hint" }, t(owner.busySources.length ? "calendars_count" : "calendars_none")),
      h("ul", { class: "log" }, owner.busySources.map(source)),
      adding(),
      ...(type === "Provider" ? feed(owner) : []));
  }
  await load();
  return root;
}
