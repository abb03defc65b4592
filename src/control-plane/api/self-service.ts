/**
 * The gateway's own endpoints for customers (`server.prefix` on `listen`), behind the workers. Main thread.
 * Every answer is about the caller's own account; ids of others are not found.
 */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import { accountUsage } from "#control-plane/metering/account-usage.ts";
import { newControlApp } from "./control-app.ts";
import { ForecastQuery, SeriesQuery } from "./billing-schemas.ts";
import { callerActor, callerOf } from "./caller.ts";
import { registerOwnCredits } from "./credits-api.ts";
import { registerHealth } from "./health.ts";
import { mayRevoke, ownKey } from "./key-wishes.ts";
import { reject } from "./problems.ts";
import { IdParams, OwnKeyBody, Page } from "./schemas.ts";
import type { Services } from "./services.ts";
import { registerEvents, registerReservations } from "./usage-in.ts";
import { forecastAnswer, seriesAnswer } from "./usage-reports.ts";
import { accountView, keyView, pageView, planView } from "./views.ts";

export function buildSelfService(services: Services, log: FastifyBaseLogger, ready: () => boolean): FastifyInstance {
  const app = newControlApp(services, log, callerActor);
  // Workers forward the path as clients sent it; the prefix may change with a reload.
  app.addHook("onRequest", async (request) => {
    const asked = new URL(request.url, "http://control").searchParams.get("account");
    if (asked === null) return;
    const { account } = await callerOf(request, services);
    if (asked !== account.id && asked !== account.externalId)
      reject("tenant_mismatch", "account:own", "Belongs to another account");
  });
  registerHealth(app, ready);
  // RFC 7517 §8.5.1; apps behind the gateway fetch it as they would any issuer's.
  app.get("/.well-known/jwks.json", async (_request, reply) =>
    reply
      .type("application/jwk-set+json")
      .header("cache-control", "public, max-age=300")
      .send(Buffer.from(services.keySets.own())),
  );
  registerBilling(app, services);
  registerReports(app, services);
  registerOwnCredits(app, services);
  registerEvents(app, services, "/usage/events", async (request) => (await callerOf(request, services)).account);
  registerReservations(app, services);
  registerKeys(app, services);
  return app;
}

function registerBilling(app: FastifyInstance, services: Services): void {
  app.get("/auth/me", async (request) => {
    const { account, user, roles, scopes, plan, keyId } = await callerOf(request, services);
    const permissions = [...new Set(roles.flatMap((role) => services.settings().roles[role] ?? []))];
    return { account: accountView(account), user, roles, permissions, scopes, plan: plan.id, keyId };
  });
  app.get("/billing/status", async (request) => {
    const { account, plan } = await callerOf(request, services);
    return { account: account.id, state: account.state, plan: planView(plan), subscription: null };
  });
  app.get("/billing/plans", async () => ({
    data: Object.values(services.settings().plans).map(planView),
    nextCursor: null,
  }));
  app.get("/billing/usage", async (request) => {
    const { account, plan, keyId, user } = await callerOf(request, services);
    const names = Object.keys(services.settings().meters);
    const meters = await accountUsage(services.usage, names, { account, plan, keyId, user });
    return { account: account.id, plan: plan.id, meters };
  });
}

function registerReports(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/billing/usage/timeseries", { schema: { querystring: SeriesQuery } }, async (request) =>
    seriesAnswer(services, (await callerOf(request, services)).account, request.query),
  );
  app.get("/billing/usage/forecast", { schema: { querystring: ForecastQuery } }, async (request) => {
    const { account, plan } = await callerOf(request, services);
    return forecastAnswer(services, account, plan);
  });
}

function registerKeys(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/api-keys", { schema: { querystring: Page } }, async (request) => {
    const { account } = await callerOf(request, services);
    const { limit, cursor } = request.query;
    return pageView(await services.keys.list(account.id, limit + 1, cursor ?? null), limit, keyView);
  });
  app.post("/api-keys", { schema: { body: OwnKeyBody } }, async (request, reply) => {
    const { account, roles, scopes, keyId } = await callerOf(request, services);
    const key = keyId === null ? null : await services.keys.byId(keyId);
    const settings = services.settings();
    const wanted = ownKey(request.body, { accountId: account.id, roles, scopes, key }, settings);
    const made = await services.keys.create(settings.identity.keys.brand, wanted);
    return reply
      .code(201)
      .header("cache-control", "no-store")
      .send({ ...keyView(made.key), key: made.secret });
  });
  app.delete("/api-keys/:id", { schema: { params: IdParams } }, async (request) => {
    const caller = await callerOf(request, services);
    const key = await services.keys.byId(request.params.id);
    if (key === null || key.accountId !== caller.account.id) {
      reject("not_found", "key:id", `No key ${request.params.id} in this account`);
    }
    if (!mayRevoke(caller, key))
      reject("permission_denied", "key:role", "That key may more than the one it is to be revoked with");
    return keyView((await services.keys.revoke(key.id, caller.account.id)) ?? key);
  });
}
