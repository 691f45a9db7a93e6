// What cancelling costs, in words. The server decides; this says beforehand what it will decide.

import * as times from "./times.js";
import { t } from "./words.js";

/** The fee of a late cancellation, as text: fixed, or a share of the price, rounded half up to the minor unit. */
function feeText({ lateFee, lateFeePercent }, price) {
  if (lateFee) return times.moneyText(lateFee);
  if (!price) return `${lateFeePercent} %`;
  return times.moneyText({ ...price, amountMinor: Math.floor((price.amountMinor * lateFeePercent + 50) / 100) });
}

/** The rule, before a time is chosen. */
export function ruleText(policy, price) {
  if (policy.lateCancellation === "ALLOWED") return t("policy_free");
  const before = times.spanText(policy.freeUntilMinutesBefore);
  if (policy.lateCancellation === "FEE") return t("policy_rule_fee", { before, fee: feeText(policy, price) });
  return t("policy_rule_refused", { before });
}

/** What the rule means for an appointment at this instant, seen from now, in this zone. */
export function policyText(policy, price, startsAt, zone) {
  if (policy.lateCancellation === "ALLOWED") return t("policy_free");
  const freeUntil = Date.parse(startsAt) - policy.freeUntilMinutesBefore * 60_000;
  const late = Date.now() > freeUntil;
  const fee = policy.lateCancellation === "FEE" ? feeText(policy, price) : null;
  if (late) return fee ? t("policy_late_fee", { fee }) : t("policy_late_refused");
  const until = times.fullText(times.wallIn(zone, freeUntil));
  return fee ? t("policy_then_fee", { until, fee }) : t("policy_then_refused", { until });
}

/** Whether a customer may move the appointment now: not inside the late window, unless late changes are free. */
export const movable = (quote) => Boolean(quote?.allowed) && !quote.fee?.amountMinor;
