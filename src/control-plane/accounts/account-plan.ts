/** The plan of an account as the main thread knows it. Pure. A plan that only a token claims is known to the workers alone. */
import type { PlanSettings, Settings } from "#config/settings.ts";

/** `plan` is the account's own; null, or one that is not in the file any more: the default plan. */
export function planOf({ plans, defaultPlan }: Settings, plan: string | null): PlanSettings {
  const own = plan !== null && Object.hasOwn(plans, plan) ? plans[plan] : undefined;
  const found = own ?? plans[defaultPlan];
  if (found === undefined) throw new Error("Settings have no default plan");
  return found;
}
