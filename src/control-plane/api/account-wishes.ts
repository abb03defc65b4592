/** From the body of a request to the change of an account it asks for. Main thread, pure but for the clock. */
import type { Static } from "typebox";
import { wallMs } from "#core/clock.ts";
import { parseDuration } from "#core/units.ts";
import type { Settings } from "#config/settings.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { type AccountWish, isReserved } from "#control-plane/accounts/accounts.ts";
import type { AccountPatch } from "./account-schemas.ts";
import { refuseBy } from "./problems.ts";
import { timeOf } from "./times.ts";

type Patch = Static<typeof AccountPatch>;
type Term = Pick<Patch, "plan" | "planDuration" | "planUntil" | "planAfter">;

/** Largest time there is (ECMAScript). */
const TIME_MS_MAX = 8.64e15;

export function checkExternalId(externalId: string | null): void {
  if (externalId === null || !isReserved(externalId)) return;
  const words = "An external id cannot begin with acct_: those are the gateway's own";
  refuseBy("account:external-id", "body/externalId", words);
}

export function checkPlan({ plans }: Settings, plan: string | null | undefined, member: "plan" | "planAfter"): void {
  if (plan === null || plan === undefined || Object.hasOwn(plans, plan)) return;
  const known = Object.keys(plans).join(", ");
  const rule = member === "plan" ? "account:plan" : "account:plan-after";
  refuseBy(rule, `body/${member}`, `Plan ${plan} is not in the configuration; there are ${known}`);
}

/** What a patch comes to, by what the account is when it is made. Refuses what makes no sense. */
export function wishOf(patch: Patch, settings: Settings): (account: Account) => AccountWish {
  const { name, email, state, reason, billingAnchor } = patch;
  const anchorMs =
    billingAnchor === undefined ? undefined : timeOf(billingAnchor, "account:billing-anchor", "body/billingAnchor");
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
  checkPlan(settings, plan, "plan");
  checkPlan(settings, planAfter, "planAfter");
  if (planDuration !== undefined && planUntil !== undefined)
    refuseBy("account:plan-until", "body/planUntil", "Expected planDuration or planUntil, got both");
  const untilMs =
    planDuration === undefined
      ? untilOf(planUntil, "account:plan-until", "body/planUntil")
      : later(wallMs(), planDuration, "body/planDuration");
  return (account) => {
    const isNew = plan !== undefined || untilMs !== undefined;
    const planUntilMs = isNew ? (untilMs ?? null) : account.planUntilMs;
    if (planUntilMs === null && typeof planAfter === "string")
      refuseBy("account:plan-after", "body/planAfter", "Expected planDuration or planUntil beside planAfter");
    const after = isNew ? (planAfter ?? null) : planAfter;
    return isNew || after !== undefined ? { plan, planUntilMs, planAfter: after } : {};
  };
}

/** An extension counts from the end of the trial, or from now when it is over. */
export function trialOf({ trialUntil, extendTrial }: Pick<Patch, "trialUntil" | "extendTrial">) {
  if (trialUntil !== undefined && extendTrial !== undefined)
    refuseBy("account:trial-until", "body/trialUntil", "Expected trialUntil or extendTrial, got both");
  const untilMs = untilOf(trialUntil, "account:trial-until", "body/trialUntil");
  return ({ trialUntilMs }: Account): AccountWish =>
    extendTrial === undefined
      ? { trialUntilMs: untilMs }
      : { trialUntilMs: later(Math.max(wallMs(), trialUntilMs ?? 0), extendTrial, "body/extendTrial") };
}

function untilOf(text: string | null | undefined, rule: string, path: string): number | null | undefined {
  if (text === null || text === undefined) return text;
  const ms = timeOf(text, rule, path);
  return ms > wallMs() ? ms : refuseBy(rule, path, `Expected a time in the future, got "${text}"`);
}

function later(fromMs: number, duration: string, path: string): number {
  const ms = Math.floor(fromMs + (parseDuration(duration) ?? Infinity));
  return ms <= TIME_MS_MAX ? ms : refuseBy("account:duration", path, `${duration} is too long`);
}
