/** What operators do and see of accounts' usage and credits; part of the admin API (`admin.ts`). Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Account } from "#control-plane/accounts/account.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import { ForecastAnswer, SeriesAnswer } from "./billing-answers.ts";
import { ForecastQuery, SeriesQuery } from "./billing-schemas.ts";
import { registerCredits } from "./credits-api.ts";
import { operation } from "./operation.ts";
import { reject } from "./problems.ts";
import { IdParams } from "./schemas.ts";
import type { Services } from "./services.ts";
import { registerEvents } from "./usage-in.ts";
import { forecastAnswer, seriesAnswer } from "./usage-reports.ts";

const readSeries = operation(
  { id: "getAccountUsageOverTime", summary: "Read an account's usage over time", tag: "Usage" },
  { params: IdParams, querystring: SeriesQuery },
  { 200: SeriesAnswer },
);
const readForecast = operation(
  { id: "getAccountUsageForecast", summary: "Foresee where an account's meters will stand", tag: "Usage" },
  { params: IdParams, querystring: ForecastQuery },
  { 200: ForecastAnswer },
);

export function registerBillingAdmin(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const accountOf = async (id: string): Promise<Account> =>
    (await services.accounts.find(id)) ?? reject("not_found", "account:id", `No account ${id}`);
  app.get("/admin/accounts/:id/usage/timeseries", readSeries, async (request) =>
    seriesAnswer(services, await accountOf(request.params.id), request.query),
  );
  app.get("/admin/accounts/:id/usage/forecast", readForecast, async (request) => {
    const account = await accountOf(request.params.id);
    return forecastAnswer(services, account, planOf(services.settings(), account.plan));
  });
  registerCredits(plain, services);
  // An operator has no account: each event says whose usage it is.
  registerEvents(plain, services, { path: "/admin/usage/events", id: "reportAnyUsage" }, async () => null);
}
