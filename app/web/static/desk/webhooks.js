// Webhooks: the addresses that events are posted to, and the log of deliveries. For administrators.

import { h } from "../dom.js";
import * as times from "../times.js";
import { t } from "../words.js";
import { doing, fault, field, openDialog, secret } from "./parts.js";

const WEBHOOK = `fragment Hook on Webhook { id url types isActive disabledReason }`;
const LIST = `query Webhooks { webhooks { ...Hook } __type(name: "EventType") { enumValues { name } } }`;
const LOG = `query Deliveries($id: ID!) {
  node(id: $id) { ... on Webhook { deliveries(first: 20) { nodes {
    id status attempts lastAttemptAt nextAttemptAt responseStatus problem event { type occurredAt }
  } } } }
}`;
const mutation = (name, input, type) => `mutation Change($input: ${input}!) {
  answer: ${name}(input: $input) {
    __typename
    ${type}
    ... on UserError { message }
  }
}`;
const INVALID = "... on InvalidInputError { field }";
const SECRET = "... on WebhookWithSecret { secret webhook { ...Hook } }";
const CREATE = mutation("createWebhook", "CreateWebhookInput", SECRET + INVALID) + WEBHOOK;
const UPDATE = mutation("updateWebhook", "UpdateWebhookInput", `... on Webhook { ...Hook } ${INVALID}`) + WEBHOOK;
const DELETE = mutation("deleteWebhook", "WebhookInput", "");
const ROTATE = mutation("rotateWebhookSecret", "WebhookInput", SECRET) + WEBHOOK;
const TEST = mutation("sendTestEvent", "WebhookInput", "");
const REDELIVER = mutation("redeliver", "RedeliverInput", "");

const POLL_MS = 2_000;

const stateOf = ({ isActive, disabledReason }) => (isActive ? t("webhook_on") : [t("webhook_off"), disabledReason].filter(Boolean).join(" · "));

/** The list of webhooks; each opens. */
export async function openWebhooks(desk) {
  const list = h("ul", { class: "work" });
  const load = async () => {
    const focused = document.activeElement?.dataset.open;
    const { webhooks, __type: { enumValues } } = await desk.api.query(LIST + WEBHOOK);
    types = enumValues.map(({ name }) => name);
    list.replaceChildren(...webhooks.map((one) => h("li", {}, h("button", { type: "button", "data-open": one.id, onclick: () => openWebhook(desk, one, types, load) },
      h("b", {}, one.url), " ", h("small", { class: one.isActive ? null : "fault" }, stateOf(one))))));
    if (focused) list.querySelector(`[data-open="${CSS.escape(focused)}"]`)?.focus();
  };
  let types = [];
  try {
    await load();
  } catch (problem) {
    return desk.done(problem.message);
  }
  openDialog({
    title: t("webhooks"),
    wide: true,
    parts: [h("p", { class: "hint" }, t("webhooks_hint")), list],
    actions: [h("button", { type: "button", class: "button", onclick: () => openWebhook(desk, null, types, load) }, t("webhook_new"))],
  });
}

/** A webhook with its log, or a new one. changed() is called after each change. */
function openWebhook(desk, webhook, types, changed) {
  const url = h("input", { type: "url", value: webhook?.url ?? "", maxlength: 2000, autocomplete: "off" });
  const isAll = !webhook || webhook.types.length === types.length;
  const boxes = types.map((name) => h("input", { type: "checkbox", value: name, checked: isAll || webhook.types.includes(name) }));
  const log = h("ol", { class: "log deliveries" });
  const shownOnce = h("div", { role: "status" });

  /** The answer; null for a refusal, which is shown. */
  const send = async (document, input) => {
    dialog.say(null);
    fault(url, null);
    try {
      const { answer } = await desk.api.query(document, { input });
      if (!answer.message) return answer;
      if (answer.field === "url") fault(url, answer.message), url.focus();
      else dialog.say(answer.message);
    } catch (problem) {
      dialog.say(problem.message);
    }
    return null;
  };
  const wish = () => {
    const chosen = boxes.filter(({ checked }) => checked).map(({ value }) => value);
    return { url: url.value.trim(), types: chosen.length === types.length ? null : chosen };
  };
  /** The secret is shown only now: there is no way to see it again. */
  const show = (answer) => {
    shownOnce.replaceChildren(h("p", {}, h("b", {}, t("secret_hint"))), ...secret(t("secret"), answer.secret));
    shownOnce.querySelector("input").focus();
  };

  const save = doing(t("save"), async () => {
    if (webhook) {
      if (!await send(UPDATE, { id: webhook.id, ...wish() })) return;
      dialog.close();
    } else {
      const answer = await send(CREATE, wish());
      if (!answer) return;
      save.remove();
      show(answer);
    }
    await changed();
  }, { kind: "primary", type: "submit" });
  const then = (action) => async () => {
    if (!await action()) return;
    dialog.close();
    await changed();
  };
  const id = webhook?.id;
  const actions = webhook ? [
    save,
    doing(t(webhook.isActive ? "switch_off" : "switch_on"), then(() => send(UPDATE, { id, isActive: !webhook.isActive }))),
    doing(t("test_event"), async () => await send(TEST, { id }) && load()),
    doing(t("new_secret"), async () => {
      const answer = await send(ROTATE, { id });
      if (answer) show(answer);
    }),
    doing(t("remove_time_off"), then(() => send(DELETE, { id })), { kind: "button danger" }),
  ] : [save];
  const dialog = openDialog({
    title: webhook?.url ?? t("webhook_new"),
    wide: true,
    form: true,
    parts: [
      webhook ? h("p", { class: webhook.isActive ? "hint" : "fault" }, stateOf(webhook)) : "",
      field(t("webhook_url"), url),
      h("details", {}, h("summary", {}, t("webhook_types")), h("fieldset", { class: "choice-list" }, h("legend", { class: "unseen" }, t("webhook_types")),
        boxes.map((box) => h("label", {}, box, " ", h("code", {}, box.value))))),
      shownOnce,
      ...(webhook ? [h("h3", {}, t("deliveries")), log] : []),
    ],
    actions,
    onclose: () => clearInterval(polling),
  });

  const when = (instant) => times.fullText(times.wallIn(desk.zone, instant));
  const delivery = (one) => h("li", {},
    h("code", {}, one.event.type), ` · ${when(one.event.occurredAt)}`, h("br"),
    h("small", { class: one.status === "FAILED" || one.problem ? "fault" : null }, [
      t(`delivery_${one.status}`), t("attempts", { count: one.attempts }), one.responseStatus, one.problem,
      one.nextAttemptAt && t("next_attempt", { time: when(one.nextAttemptAt) }),
    ].filter(Boolean).join(" · ")), " ",
    one.status === "PENDING" ? "" : h("button", { type: "button", class: "link", "data-open": one.id, onclick: async () => await send(REDELIVER, { deliveryId: one.id }) && load() }, t("redeliver")));
  let shown = null;
  async function load() {
    const nodes = (await desk.api.query(LOG, { id }).catch(() => null))?.node?.deliveries.nodes;
    if (!nodes || JSON.stringify(nodes) === shown) return;
    shown = JSON.stringify(nodes);
    const focused = document.activeElement?.dataset.open;
    log.replaceChildren(...(nodes.length ? nodes.map(delivery) : [h("li", { class: "hint" }, t("none_yet"))]));
    if (focused) log.querySelector(`[data-open="${CSS.escape(focused)}"]`)?.focus();
  }
  const polling = webhook && setInterval(load, POLL_MS);
  if (webhook) load();
  url.focus();
}
