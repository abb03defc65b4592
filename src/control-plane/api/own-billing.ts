/** `/auth/me` and `/billing/*`: who the caller is, by which plan, and what was used. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { accountUsage } from "#control-plane/metering/account-usage.ts";
import { AccountAnswer } from "./account-schemas.ts";
import { ForecastAnswer, PlanAnswer, SeriesAnswer, StatusAnswer, UsageAnswer } from "./billing-answers.ts";
import { ForecastQuery, SeriesQuery } from "./billing-schemas.ts";
import { callerOf } from "./caller.ts";
import { operation } from "./operation.ts";
import { nullable, pageOf } from "./schemas.ts";
import { ownQuotasOf } from "./limits-of.ts";
import type { Services } from "./services.ts";
import { forecastAnswer, seriesAnswer } from "./usage-reports.ts";
import { accountView, planView } from "./views.ts";

const MeAnswer = Type.Object({
  account: AccountAnswer,
  user: nullable(Type.String()),
  /** Who acts as the user; null: the user. */
  actor: nullable(Type.String()),
  roles: Type.Array(Type.String()),
  permissions: Type.Array(Type.String()),
  scopes: nullable(Type.Array(Type.String())),
  plan: Type.String(),
  keyId: nullable(Type.String()),
});

const readMe = operation(
  { id: "getMe", summary: "Show who the caller is and what they may", tag: "Identity" },
  {},
  { 200: MeAnswer },
);
const readStatus = operation(
  { id: "getBillingStatus", summary: "Show the account's state and plan", tag: "Billing" },
  {},
  { 200: StatusAnswer },
);
const listPlans = operation(
  { id: "listPlans", summary: "List all plans", tag: "Billing" },
  {},
  { 200: pageOf(PlanAnswer) },
);
const readUsage = operation(
  { id: "getUsage", summary: "Show what is used and what remains of each meter", tag: "Usage" },
  {},
  { 200: UsageAnswer },
);
const readSeries = operation(
  { id: "getUsageOverTime", summary: "Read usage over time", tag: "Usage" },
  { querystring: SeriesQuery },
  { 200: SeriesAnswer },
);
const readForecast = operation(
  { id: "getUsageForecast", summary: "Foresee where each meter will stand when its window ends", tag: "Usage" },
  { querystring: ForecastQuery },
  { 200: ForecastAnswer },
);

export function registerOwnBilling(app: FastifyInstance, services: Services): void {
  app.get("/auth/me", readMe, async (request) => {
    const { account, user, actor, roles, permissions, scopes, plan, keyId } = await callerOf(request, services);
    return { account: accountView(account), user, actor, roles, permissions, scopes, plan: plan.id, keyId };
  });
  app.get("/billing/status", readStatus, async (request) => {
    const { account, plan } = await callerOf(request, services);
    return { account: account.id, state: account.state, plan: planView(plan), subscription: null };
  });
  app.get("/billing/plans", listPlans, async () => ({
    data: Object.values(services.settings().plans).map(planView),
    nextCursor: null,
  }));
  app.get("/billing/usage", readUsage, async (request) => {
    const { account, plan, keyId, user } = await callerOf(request, services);
    const own = (await ownQuotasOf(services, { account, keyId, user })) ?? [];
    const names = Object.keys(services.settings().meters);
    const meters = await accountUsage(services.usage, names, { account, plan, keyId, user, own });
    return { account: account.id, plan: plan.id, meters };
  });
}

export function registerOwnReports(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/billing/usage/timeseries", readSeries, async (request) =>
    seriesAnswer(services, (await callerOf(request, services)).account, request.query),
  );
  app.get("/billing/usage/forecast", readForecast, async (request) => {
    const { account, plan } = await callerOf(request, services);
    return forecastAnswer(services, account, plan);
  });
}
