/** `/admin/accounts`: accounts as operators see and change them. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { accountUsage } from "#control-plane/metering/account-usage.ts";
import { isReserved } from "#control-plane/accounts/accounts.ts";
import { AccountBody, AccountPatch } from "./account-schemas.ts";
import { accountOr404 } from "./found.ts";
import { reject } from "./problems.ts";
import { IdParams, Page } from "./schemas.ts";
import type { Services } from "./services.ts";
import { timeOf } from "./times.ts";
import { accountView, pageView } from "./views.ts";

export function registerAccounts(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/accounts", { schema: { querystring: Page } }, async (request) => {
    const { limit, cursor } = request.query;
    return pageView(await services.accounts.list(limit + 1, cursor ?? null), limit, accountView);
  });
  app.post("/admin/accounts", { schema: { body: AccountBody } }, async (request, reply) => {
    const { name, externalId, plan } = request.body;
    checkPlan(services, plan);
    if (externalId !== undefined && externalId !== null && isReserved(externalId)) {
      reject(
        "malformed_request",
        "account:external-id",
        "An external id cannot begin with acct_: those are the gateway's own",
      );
    }
    const account = await services.accounts.create({ name, externalId: externalId ?? null, plan: plan ?? null });
    return reply.code(201).send(accountView(account));
  });
  app.get("/admin/accounts/:id", { schema: { params: IdParams } }, async (request) =>
    accountView(await accountOr404(services, request.params.id)),
  );
  app.patch("/admin/accounts/:id", { schema: { params: IdParams, body: AccountPatch } }, async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    const { billingAnchor, ...change } = request.body;
    checkPlan(services, change.plan);
    const anchor = billingAnchor === undefined ? {} : { anchorMs: timeOf(billingAnchor, "account:billing-anchor") };
    const changed = await services.accounts.change(id, { ...change, ...anchor });
    // Another plan grants other credits, also to an account that nobody has seen in this run.
    if (request.body.plan !== undefined) await services.grants.usable(id);
    return changed === null ? reject("not_found", "account:id", `No account ${id}`) : accountView(changed);
  });
  app.get("/admin/accounts/:id/usage", { schema: { params: IdParams } }, async (request) => {
    const account = await accountOr404(services, request.params.id);
    const settings = services.settings();
    const plan = settings.plans[account.plan ?? ""] ?? settings.plans[settings.defaultPlan];
    if (plan === undefined) throw new Error("Settings have no default plan");
    return {
      account: account.id,
      plan: plan.id,
      meters: await accountUsage(services.usage, Object.keys(settings.meters), {
        account,
        plan,
        keyId: null,
        user: null,
        own: [],
      }),
    };
  });
}

function checkPlan(services: Services, plan: string | null | undefined): void {
  const { plans } = services.settings();
  if (plan === null || plan === undefined || Object.hasOwn(plans, plan)) return;
  reject(
    "malformed_request",
    "account:plan",
    `Plan ${plan} is not in the configuration; there are ${Object.keys(plans).join(", ")}`,
  );
}
