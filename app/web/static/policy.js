// What cancelling costs, in words. The server decides; this predicts its decision.

import * as times from "./times.js";
import { t } from "./words.js";

/** The fee of a late cancellation, as text: fixed, or a share of the price, rounded half up to the minor unit. */
function feeText({ lateFee, lateFeePercent }, price) {
  if (lateFee) return times.moneyText(lateFee);
  if (!price) return `${lateFeePercent} %`;
  return times.moneyText({ ...price, amountMinor: Math.floor((price.amountMinor * lateFeePercent + 50) / 100) });
}

const noShowText = (policy, price) => (policy.chargesNoShow ? t("policy_no_show", { fee: feeText(policy, price) }) : "");
const sentences = (...texts) => texts.filter(Boolean).join(" ");

/** The rule, before a time is chosen. */
export function ruleText(policy, price) {
  if (policy.lateCancellation === "ALLOWED") return t("policy_free");
  const before = times.spanText(policy.freeUntilMinutesBefore);
  const rule = policy.lateCancellation === "FEE" ? t("policy_rule_fee", { before, fee: feeText(policy, price) }) : t("policy_rule_refused", { before });
  const grace = policy.graceMinutes ? t("policy_rule_grace", { grace: times.spanText(policy.graceMinutes) }) : "";
  return sentences(rule, grace, noShowText(policy, price));
}

/** What the rule means for an appointment at this instant that was booked then, seen from now, in this zone. */
export function policyText(policy, price, startsAt, zone, bookedAt = Date.now()) {
  if (policy.lateCancellation === "ALLOWED") return t("policy_free");
  return sentences(whenText(policy, price, Date.parse(startsAt), zone, bookedAt), noShowText(policy, price));
}

function whenText(policy, price, start, zone, bookedAt) {
  const endOfGrace = policy.graceMinutes ? Math.min(bookedAt + policy.graceMinutes * 60_000, start) : 0;
  const freeUntil = Math.max(start - policy.freeUntilMinutesBefore * 60_000, endOfGrace);
  if (freeUntil === start) return t("policy_free");
  const late = Date.now() > freeUntil;
  const fee = policy.lateCancellation === "FEE" ? feeText(policy, price) : null;
  if (late) return fee ? t("policy_late_fee", { fee }) : t("policy_late_refused");
  const until = times.fullText(times.wallIn(zone, freeUntil));
  return fee ? t("policy_then_fee", { until, fee }) : t("policy_then_refused", { until });
}

/** Whether a customer may move the appointment now: not inside the late window, unless late changes are free. */
export const movable = (quote) => Boolean(quote?.allowed) && !quote.fee?.amountMinor;
