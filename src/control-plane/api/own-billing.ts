/** `/auth/me` and `/billing/*`: who the caller is, by which plan, and what was used. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { accountUsage } from "#control-plane/metering/account-usage.ts";
import { ForecastQuery, SeriesQuery } from "./billing-schemas.ts";
import { callerOf } from "./caller.ts";
import type { Services } from "./services.ts";
import { forecastAnswer, seriesAnswer } from "./usage-reports.ts";
import { accountView, planView } from "./views.ts";

export function registerOwnBilling(app: FastifyInstance, services: Services): void {
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

export function registerOwnReports(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/billing/usage/timeseries", { schema: { querystring: SeriesQuery } }, async (request) =>
    seriesAnswer(services, (await callerOf(request, services)).account, request.query),
  );
  app.get("/billing/usage/forecast", { schema: { querystring: ForecastQuery } }, async (request) => {
    const { account, plan } = await callerOf(request, services);
    return forecastAnswer(services, account, plan);
  });
}
