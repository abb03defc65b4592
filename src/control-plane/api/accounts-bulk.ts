/** `POST /admin/accounts/bulk`: one change of all accounts that a filter matches, with a dry run before. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { refuse } from "#core/errors.ts";
import type { Settings } from "#config/settings.ts";
import type { BulkAct } from "#control-plane/accounts/account-bulk.ts";
import { BulkAnswer, BulkBody } from "./account-schemas.ts";
import { termOf, trialOf } from "./account-wishes.ts";
import { grantWishOf } from "./credits-api.ts";
import { operation } from "./operation.ts";
import { refuseBy, rejectWith } from "./problems.ts";
import type { Services } from "./services.ts";

type Body = Static<typeof BulkBody>;

/** Room for 10,000 ids. */
const BODY_BYTES_MAX = 4 * 1024 * 1024;
const SAMPLE = 10;

/** What each action takes beside filter, reason, dryRun, expected and max; the first has to be there. */
const MEMBERS: Readonly<Record<Body["action"], readonly (keyof Body)[]>> = {
  suspend: [],
  activate: [],
  delete: [],
  setPlan: ["plan", "planDuration", "planUntil", "planAfter"],
  extendTrial: ["extendTrial"],
  grantCredits: ["credits"],
};

const changeAccounts = operation(
  {
    id: "changeAccounts",
    summary: "Change all accounts that a filter matches, or try to",
    tag: "Accounts",
    errors: ["conflict"],
  },
  { body: BulkBody },
  { 200: BulkAnswer },
);

export function registerAccountBulk(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.post("/admin/accounts/bulk", { ...changeAccounts, bodyLimit: BODY_BYTES_MAX }, async (request) => {
    const { filter, reason = null, dryRun, max } = request.body;
    const act = actOf(request.body, services.settings());
    const expected = expectedOf(request.body);
    const wish = { filter, act, reason, max, expected, facts: factsOf(request.body) };
    const { matched, changed } = await services.accountBulk.run(wish);
    if (changed === null) return mismatch(matched, max);
    return { matched, changed: changed.length, dryRun, sample: changed.slice(0, SAMPLE) };
  });
}

function actOf(body: Body, settings: Settings): BulkAct {
  checkMembers(body);
  switch (body.action) {
    case "suspend":
      return { kind: "change", change: () => ({ state: "suspended" }) };
    case "activate":
      return { kind: "change", change: () => ({ state: "active" }) };
    case "delete":
      return { kind: "delete" };
    case "setPlan":
      return { kind: "change", change: termOf(body, settings) };
    case "extendTrial":
      return { kind: "change", change: trialOf(body) };
    case "grantCredits":
      if (body.credits === undefined) throw new Error("Members were not checked");
      return { kind: "grant", wish: grantWishOf(body.credits, "body/credits") };
  }
}

/** A member of another action is a mistake that would otherwise pass unseen. */
function checkMembers(body: Body): void {
  const [needed, ...others] = MEMBERS[body.action];
  if (needed !== undefined && body[needed] === undefined)
    refuseBy(`bulk:${needed}`, `body/${needed}`, `Expected ${needed} with the action ${body.action}`);
  const all = new Set(Object.values(MEMBERS).flat());
  const strange = [...all].find((name) => body[name] !== undefined && name !== needed && !others.includes(name));
  if (strange !== undefined)
    refuseBy(`bulk:${strange}`, `body/${strange}`, `The action ${body.action} takes no ${strange}`);
}

/** null: a dry run. Whoever means it has seen what it comes to. */
function expectedOf({ dryRun, expected }: Body): number | null {
  if (dryRun) return null;
  return expected ?? refuseBy("bulk:expected", "body/expected", "Expected what a dry run said in matched, as expected");
}

function mismatch(matched: number, max: number): never {
  const words =
    matched > max
      ? `${matched} accounts match, more than max (${max}); nothing is changed`
      : `${matched} accounts match, not as many as expected; nothing is changed`;
  return rejectWith({
    ...refuse("conflict", matched > max ? "bulk:max" : "bulk:expected", words),
    fields: { matched },
  });
}

/** As the audit log has it: not each of thousands of ids, whose own entries say what became of them. */
function factsOf({ action, filter, plan, planDuration, planUntil, planAfter, extendTrial, credits }: Body) {
  const { ids, ...rest } = filter;
  const shown = ids === undefined ? rest : { ...rest, ids: ids.length };
  return { action, filter: shown, plan, planDuration, planUntil, planAfter, extendTrial, credits };
}
