/** Credits and spend caps, for operators and for customers. Main thread. What a customer may spend beyond the limits is their own to say. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { rfc3339, wallMs } from "#core/clock.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import type { GrantState, GrantWish } from "#control-plane/credits/grants.ts";
import { CreditsAnswer, GrantAnswer, SpendCapAnswer } from "./billing-answers.ts";
import { GrantBody, SpendCapBody } from "./billing-schemas.ts";
import { wrongCursor } from "./cursors.ts";
import { callerOf } from "./caller.ts";
import { liveAccount } from "./found.ts";
import { operation } from "./operation.ts";
import { refuseBy, reject } from "./problems.ts";
import { IdParams, Page, pageOf } from "./schemas.ts";
import type { Services } from "./services.ts";
import { timeOf } from "./times.ts";

const params = IdParams;

const readOwnCredits = operation(
  { id: "getCredits", summary: "Show credits that are left", tag: "Billing" },
  {},
  { 200: CreditsAnswer },
);
const readOwnCap = operation(
  { id: "getSpendCap", summary: "Show what may be spent beyond the limits", tag: "Billing" },
  {},
  { 200: SpendCapAnswer },
);
const setOwnCap = operation(
  { id: "setSpendCap", summary: "Set what may be spent beyond the limits", tag: "Billing" },
  { body: SpendCapBody },
  { 200: SpendCapAnswer },
);
const listGrants = operation(
  { id: "listAccountCredits", summary: "List an account's grants of credits", tag: "Billing" },
  { params, querystring: Page },
  { 200: pageOf(GrantAnswer) },
);
const giveGrant = operation(
  { id: "grantCredits", summary: "Grant credits to an account", tag: "Billing" },
  { params, body: GrantBody },
  { 200: GrantAnswer, 201: GrantAnswer },
);
const voidGrant = operation(
  { id: "voidCredits", summary: "Take back what is left of a grant", tag: "Billing" },
  { params },
  { 200: GrantAnswer },
);
const readCap = operation(
  { id: "getAccountSpendCap", summary: "Show what an account may spend beyond its limits", tag: "Billing" },
  { params },
  { 200: SpendCapAnswer },
);
const writeCap = operation(
  { id: "setAccountSpendCap", summary: "Set what an account may spend beyond its limits", tag: "Billing" },
  { params, body: SpendCapBody },
  { 200: SpendCapAnswer },
);

export function registerOwnCredits(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/billing/credits", readOwnCredits, async (request) => {
    const { account } = await callerOf(request, services);
    const { balance, grants } = await services.grants.left(account.id);
    return { account: account.id, balance, grants: grants.map(grantView) };
  });
  app.get("/billing/spend-cap", readOwnCap, async (request) =>
    capView(services, (await callerOf(request, services)).account),
  );
  app.put("/billing/spend-cap", setOwnCap, async (request) => {
    const { account, keyId, scopes } = await callerOf(request, services);
    // Given away for little, it must not lift what bounds the bill.
    if (keyId !== null && scopes !== null)
      reject("permission_denied", "spend-cap:key", "An API key with scopes cannot set the spend cap");
    return setCap(services, account, request.body);
  });
}

export function registerCredits(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const accountOf = async (id: string): Promise<Account> =>
    (await services.accounts.find(id)) ?? reject("not_found", "account:id", `No account ${id}`);
  app.get("/admin/accounts/:id/credits", listGrants, async (request) => {
    const { id } = await accountOf(request.params.id);
    const { limit, cursor } = request.query;
    await services.grants.usable(id);
    if (cursor !== undefined && !(await services.grants.isOf(id, cursor))) wrongCursor();
    const found = await services.grants.list(id, limit + 1, cursor ?? null);
    const shown = found.slice(0, limit);
    return { data: shown.map(grantView), nextCursor: found.length > limit ? (shown.at(-1)?.row.id ?? null) : null };
  });
  app.post("/admin/accounts/:id/credits", giveGrant, async (request, reply) => {
    const { id } = await liveAccount(services, request.params.id);
    const { grant, made } = await services.grants.give(id, grantWishOf(request.body));
    return reply.code(made ? 201 : 200).send(grantView(grant));
  });
  app.delete("/admin/credits/:id", voidGrant, async (request) => {
    const grant = await services.grants.void(request.params.id);
    return grant === null ? reject("not_found", "credits:id", `No grant ${request.params.id}`) : grantView(grant);
  });
  app.get("/admin/accounts/:id/spend-cap", readCap, async (request) =>
    capView(services, await accountOf(request.params.id)),
  );
  app.put("/admin/accounts/:id/spend-cap", writeCap, async (request) =>
    setCap(services, await accountOf(request.params.id), request.body),
  );
}

/** What a body asks for; refuses times that make no sense. */
export function grantWishOf(body: Static<typeof GrantBody>, path = "body"): GrantWish {
  const { startsAt, expiresAt, idempotencyKey, note, amount, priority, source } = body;
  const startMs = isGiven(startsAt) ? timeOf(startsAt, "credits:startsAt", `${path}/startsAt`) : null;
  const expiresMs = isGiven(expiresAt) ? timeOf(expiresAt, "credits:expiresAt", `${path}/expiresAt`) : null;
  if (expiresMs !== null && expiresMs <= (startMs ?? wallMs()))
    refuseBy("credits:expiresAt", `${path}/expiresAt`, "Expected expiresAt after startsAt, and in the future");
  return { amount, priority, source, startMs, expiresMs, idempotencyKey: idempotencyKey ?? null, note: note ?? null };
}

function isGiven(text: string | null | undefined): text is string {
  return text !== null && text !== undefined;
}

function grantView({ row, used, remaining, state }: GrantState): Record<string, unknown> {
  const { id, account, amount, priority, source, note } = row;
  return {
    id,
    account,
    amount,
    used,
    remaining,
    state,
    priority,
    source,
    note,
    startsAt: rfc3339(row.start_ms),
    expiresAt: row.expires_ms === null ? null : rfc3339(row.expires_ms),
    createdAt: rfc3339(row.created_ms),
  };
}

/** Replaces the whole cap: what is left out does not hold any more. In force on the next request. */
async function setCap(
  services: Services,
  { id }: Account,
  { units = {}, money = null }: Static<typeof SpendCapBody>,
): Promise<Record<string, unknown>> {
  const { meters } = services.settings();
  const unknown = Object.keys(units).find((meter) => !Object.hasOwn(meters, meter));
  if (unknown !== undefined) {
    const known = Object.keys(meters).join(", ") || "none";
    refuseBy(
      "spend-cap:units",
      `body/units/${unknown}`,
      `Meter ${unknown} is not in the configuration; there are ${known}`,
    );
  }
  const changed = await services.accounts.change(id, { spendCap: { units, money } });
  return changed === null ? reject("not_found", "account:id", `No account ${id}`) : capView(services, changed);
}

function capView(services: Services, { id, plan, spendCap }: Account): Record<string, unknown> {
  const { price } = planOf(services.settings(), plan);
  return { account: id, units: spendCap.units, money: spendCap.money, currency: price?.currency ?? null };
}
