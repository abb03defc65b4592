/** `POST /admin/accounts/bulk`: one change of all accounts that a filter matches, with a dry run before. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import type { Settings } from "#config/settings.ts";
import type { AccountAct } from "#control-plane/bulk/account-bulk.ts";
import { AccountBulkBody } from "./account-schemas.ts";
import { termOf, trialOf } from "./account-wishes.ts";
import { answerBulk, BULK_BYTES_MAX, BulkAnswer, filterFacts } from "./bulk.ts";
import { grantWishOf } from "./credits-api.ts";
import { operation } from "./operation.ts";
import { refuseBy } from "./problems.ts";
import type { Services } from "./services.ts";

type Body = Static<typeof AccountBulkBody>;

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
  { body: AccountBulkBody },
  { 200: BulkAnswer },
);

export function registerAccountBulk(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.post("/admin/accounts/bulk", { ...changeAccounts, bodyLimit: BULK_BYTES_MAX }, (request) => {
    const { body } = request;
    const wish = { filter: body.filter, act: actOf(body, services.settings()), facts: factsOf(body) };
    return answerBulk("accounts", body, (terms) => services.accountBulk.run({ ...wish, ...terms }));
  });
}

function actOf(body: Body, settings: Settings): AccountAct {
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

/** As the audit log has it. */
function factsOf({ action, filter, plan, planDuration, planUntil, planAfter, extendTrial, credits }: Body) {
  return { action, filter: filterFacts(filter), plan, planDuration, planUntil, planAfter, extendTrial, credits };
}
