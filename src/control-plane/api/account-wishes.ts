/** From the body of a request to the change of an account it asks for. Main thread, pure but for the clock. */
import type { Static } from "typebox";
import { wallMs } from "#core/clock.ts";
import { parseDuration } from "#core/units.ts";
import type { Settings } from "#config/settings.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { AccountWish } from "#control-plane/accounts/accounts.ts";
import type { AccountPatch } from "./account-schemas.ts";
import { reject } from "./problems.ts";
import { timeOf } from "./times.ts";

type Patch = Static<typeof AccountPatch>;
type Term = Pick<Patch, "plan" | "planDuration" | "planUntil" | "planAfter">;

/** Largest time there is (ECMAScript). */
const TIME_MS_MAX = 8.64e15;

export function checkPlan({ plans }: Settings, plan: string | null | undefined, rule: string): void {
  if (plan === null || plan === undefined || Object.hasOwn(plans, plan)) return;
  const known = Object.keys(plans).join(", ");
  reject("malformed_request", rule, `Plan ${plan} is not in the configuration; there are ${known}`);
}

/** What a patch comes to, by what the account is when it is made. Refuses what makes no sense. */
export function wishOf(patch: Patch, settings: Settings): (account: Account) => AccountWish {
  const { name, email, state, reason, billingAnchor } = patch;
  const anchorMs = billingAnchor === undefined ? undefined : timeOf(billingAnchor, "account:billing-anchor");
  const term = termOf(patch, settings);
  const trial = trialOf(patch);
  return (account) => ({ name, email, state, reason, anchorMs, ...term(account), ...trial(account) });
}

/**
 * The plan, for how long, and what comes after. A plan without a term is had for good, and a term without a plan is one of the plan
 * that the account has.
 */
export function termOf(asked: Term, settings: Settings): (account: Account) => AccountWish {
  const { plan, planDuration, planUntil, planAfter } = asked;
  checkPlan(settings, plan, "account:plan");
  checkPlan(settings, planAfter, "account:plan-after");
  if (planDuration !== undefined && planUntil !== undefined)
    reject("malformed_request", "account:plan-until", "Expected planDuration or planUntil, got both");
  const untilMs = planDuration === undefined ? untilOf(planUntil, "account:plan-until") : later(wallMs(), planDuration);
  return (account) => {
    const isNew = plan !== undefined || untilMs !== undefined;
    const planUntilMs = isNew ? (untilMs ?? null) : account.planUntilMs;
    if (planUntilMs === null && typeof planAfter === "string")
      reject("malformed_request", "account:plan-after", "Expected planDuration or planUntil beside planAfter");
    const after = isNew ? (planAfter ?? null) : planAfter;
    return isNew || after !== undefined ? { plan, planUntilMs, planAfter: after } : {};
  };
}

/** An extension counts from the end of the trial, or from now when it is over. */
export function trialOf({ trialUntil, extendTrial }: Pick<Patch, "trialUntil" | "extendTrial">) {
  if (trialUntil !== undefined && extendTrial !== undefined)
    reject("malformed_request", "account:trial-until", "Expected trialUntil or extendTrial, got both");
  const untilMs = untilOf(trialUntil, "account:trial-until");
  return ({ trialUntilMs }: Account): AccountWish =>
    extendTrial === undefined
      ? { trialUntilMs: untilMs }
      : { trialUntilMs: later(Math.max(wallMs(), trialUntilMs ?? 0), extendTrial) };
}

function untilOf(text: string | null | undefined, rule: string): number | null | undefined {
  if (text === null || text === undefined) return text;
  const ms = timeOf(text, rule);
  return ms > wallMs() ? ms : reject("malformed_request", rule, `Expected a time in the future, got "${text}"`);
}

function later(fromMs: number, duration: string): number {
  const ms = Math.floor(fromMs + (parseDuration(duration) ?? Infinity));
  return ms <= TIME_MS_MAX ? ms : reject("malformed_request", "account:duration", `${duration} is too long`);
}
