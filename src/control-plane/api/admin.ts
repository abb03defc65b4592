/**
 * The admin API: accounts, keys, usage, metrics. Main thread. Served on the admin listener behind the admin token, and on the
 * owner-only ops socket to the command line; with no gateway running, the command line calls the same application in process.
 */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from "fastify";
import { rfc3339, wallMs } from "#core/clock.ts";
import { accountUsage } from "#control-plane/metering/account-usage.ts";
import { usageRows } from "#control-plane/metering/usage.ts";
import { type Account, isReserved } from "#control-plane/accounts/accounts.ts";
import type { Actor } from "#control-plane/audit/acting.ts";
import { registerAudit } from "./audit-api.ts";
import type { AdminToken } from "./admin-token.ts";
import { registerBackup } from "./backup.ts";
import { registerBillingAdmin } from "./billing-admin.ts";
import { newControlApp } from "./control-app.ts";
import { registerHealth } from "./health.ts";
import { operatorKey } from "./key-wishes.ts";
import { reject } from "./problems.ts";
import { AccountBody, AccountPatch, IdParams, KeyBody, KeyLookup, KeyPage, Page, UsageQuery } from "./schemas.ts";
import { registerEventList } from "./event-list.ts";
import { registerReconcile } from "./reconcile-api.ts";
import type { Services } from "./services.ts";
import { timeOf as instantOf } from "./times.ts";
import { accountView, keyView, pageView } from "./views.ts";

const DAY_MS = 86_400_000;
/** Served without the admin token; whatever is added needs it. */
const OPEN_ROUTES: ReadonlySet<string> = new Set(["/health", "/ready", "/metrics"]);

export interface AdminParts {
  readonly services: Services;
  readonly log: FastifyBaseLogger;
  readonly ready: () => boolean;
  /** Text for Prometheus; null: no gateway runs, only a command. */
  readonly metrics: (() => Promise<{ readonly contentType: string; readonly text: string }>) | null;
  /** null: the caller is trusted by the way it came (ops socket, in process). */
  readonly token: AdminToken | null;
}

export function buildAdmin(parts: AdminParts): FastifyInstance {
  const { services, token, metrics } = parts;
  const app = newControlApp(services, parts.log, (request) => operatorActor(request, token !== null));
  app.addHook("onRequest", async (request) => {
    // The route that matched, not the text of the target: the router also takes `/%61dmin/…` and `http://x/admin/…`.
    const route = request.routeOptions.url;
    if (token === null || route === undefined || OPEN_ROUTES.has(route)) return;
    if (!token.matches(request.headers.authorization))
      reject("credentials_invalid", "admin:token", "Admin token is missing or wrong");
  });
  app.addHook("onSend", async (_request, reply) => {
    if (reply.statusCode === 401) reply.header("www-authenticate", 'Bearer realm="tollgate-admin"');
  });
  registerHealth(app, parts.ready);
  if (metrics !== null) {
    app.get("/metrics", async (_request, reply) => {
      const { contentType, text } = await metrics();
      return reply.header("content-type", contentType).send(text);
    });
  }
  registerAccounts(app, services);
  registerKeys(app, services);
  registerUsage(app, services);
  registerBillingAdmin(app, services);
  registerEventList(app, services);
  registerReconcile(app, services);
  registerAudit(app, services);
  if (token === null) registerBackup(app, services);
  return app;
}

/** Over the listener an operator, whoever has the token; by any other way somebody who owns the data folder. */
function operatorActor({ id, ip }: FastifyRequest, isRemote: boolean): Actor {
  return { kind: isRemote ? "operator" : "command", id: null, account: null, ip: isRemote ? ip : null, requestId: id };
}

async function accountOr404(services: Services, id: string): Promise<Account> {
  return (await services.accounts.find(id)) ?? reject("not_found", "account:id", `No account ${id}`);
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

function registerAccounts(plain: FastifyInstance, services: Services): void {
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
    const anchor = billingAnchor === undefined ? {} : { anchorMs: instantOf(billingAnchor, "account:billing-anchor") };
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
      }),
    };
  });
}

function registerKeys(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/keys", { schema: { querystring: KeyPage } }, async (request) => {
    const { limit, cursor, account } = request.query;
    const accountId = account === undefined ? null : (await accountOr404(services, account)).id;
    return pageView(await services.keys.list(accountId, limit + 1, cursor ?? null), limit, keyView);
  });
  app.post("/admin/keys", { schema: { body: KeyBody } }, async (request, reply) => {
    const { account: id, ...wish } = request.body;
    const account = await accountOr404(services, id);
    const settings = services.settings();
    const made = await services.keys.create(settings.identity.keys.brand, operatorKey(wish, account.id, settings));
    return reply
      .code(201)
      .header("cache-control", "no-store")
      .send({ ...keyView(made.key), key: made.secret });
  });
  app.post("/admin/keys/lookup", { schema: { body: KeyLookup } }, async (request) => {
    const key = await services.keys.bySecret(request.body.key);
    if (key === null) reject("not_found", "key:unknown", "No key with this secret");
    return { key: keyView(key), account: accountView(await accountOr404(services, key.accountId)) };
  });
  app.get("/admin/key-sets", async () => services.keySets.current());
  app.delete("/admin/keys/:id", { schema: { params: IdParams } }, async (request) => {
    const key = await services.keys.revoke(request.params.id, null);
    return key === null ? reject("not_found", "key:id", `No key ${request.params.id}`) : keyView(key);
  });
}

function registerUsage(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/usage", { schema: { querystring: UsageQuery } }, async (request) => {
    const { account, from, to, limit, by } = request.query;
    const accountId = account === undefined ? null : (await accountOr404(services, account)).id;
    const now = wallMs();
    const range = { fromMs: timeOf(from, "from", now - 31 * DAY_MS), toMs: timeOf(to, "to", now + DAY_MS) };
    await services.usage.ledger.fold();
    const rows = await usageRows(services.usage.db, { account: accountId, by, ...range, limit: limit + 1 });
    return {
      data: rows.slice(0, limit).map(({ atMs, ...row }) => ({ [by]: rfc3339(atMs), ...row })),
      truncated: rows.length > limit,
    };
  });
}

function timeOf(text: string | undefined, name: string, standard: number): number {
  if (text === undefined) return standard;
  const ms = Date.parse(text);
  return Number.isNaN(ms)
    ? reject("malformed_request", `query:${name}`, `Expected an RFC 3339 time in ${name}, got "${text}"`)
    : ms;
}
