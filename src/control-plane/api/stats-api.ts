/** `GET /admin/stats`: accounts, users, sign-ups, calls by plan, hits of limits and errors by route. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { rfc3339, wallMs } from "#core/clock.ts";
import type { ErrorCode } from "#core/errors.ts";
import { sumMetrics } from "#shared/metrics-table.ts";
import type { LiveTables } from "#control-plane/fleet/live-tables.ts";
import { operation } from "./operation.ts";
import { refuseBy } from "./problems.ts";
import { nullable, strict, Time, time } from "./schemas.ts";
import type { Services } from "./services.ts";
import { timeOf } from "./times.ts";

const DAY_MS = 86_400_000;
/** How long somebody counts as seen lately, and what is counted of calls when nothing is said. */
const LATELY_DAYS = 30;

const count = Type.Integer();

/** Refusals by limits. */
const LIMIT_CODES = ["rate_limited", "quota_exceeded", "concurrency_exceeded", "credits_exhausted"] as const;

const RouteFigures = Type.Object({
  route: Type.String(),
  requests: count,
  clientErrors: count,
  serverErrors: count,
  /** Share of 5xx. */
  errorRate: Type.Number(),
});

const StatsAnswer = Type.Object(
  {
    at: Time,
    accounts: Type.Object({ total: count, active: count, suspended: count, deleted: count, seenLast30Days: count }),
    users: Type.Object({ total: count, active: count, suspended: count, seenLast30Days: count }),
    signUps: Type.Array(Type.Object({ day: Type.String({ format: "date" }), accounts: count })),
    calls: Type.Object({ from: Time, to: Time, total: count }),
    /** Accounts by the plan in force, and their calls. */
    plans: Type.Array(Type.Object({ plan: Type.String(), accounts: count, calls: count })),
    /** null: no gateway runs. */
    traffic: nullable(
      Type.Object({
        since: Time,
        limitHits: Type.Record(Type.Enum([...LIMIT_CODES]), count),
        routes: Type.Array(RouteFigures),
      }),
    ),
  },
  { title: "Stats" },
);

const StatsQuery = Type.Object({ from: Type.Optional(time), to: Type.Optional(time) }, strict);

const getStats = operation(
  { id: "getStats", summary: "Show figures over all accounts and of this run's traffic", tag: "Accounts" },
  { querystring: StatsQuery },
  { 200: StatsAnswer },
);

export function registerStats(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/stats", getStats, async (request) => {
    const { accountStats, usage, live } = services;
    const now = wallMs();
    const { fromMs, toMs } = rangeOf(request.query, now);
    await usage.ledger.fold();
    const { byPlan, ...states } = await accountStats.figures();
    const users = await accountStats.users();
    const seen = await accountStats.seenSince(now - LATELY_DAYS * DAY_MS);
    const signUps = await accountStats.signUps(now);
    const calls = await accountStats.requestsByPlan(fromMs, toMs);
    const total = [...calls.values()].reduce((sum, requests) => sum + requests, 0);
    return {
      at: rfc3339(now),
      accounts: { total: states.active + states.suspended, ...states, seenLast30Days: seen.accounts },
      users: { total: users.active + users.suspended, ...users, seenLast30Days: seen.users },
      signUps: signUps.map(({ dayMs, accounts }) => ({ day: rfc3339(dayMs).slice(0, 10), accounts })),
      calls: { from: rfc3339(fromMs), to: rfc3339(toMs), total },
      plans: [...byPlan].map(([plan, accounts]) => ({ plan, accounts, calls: calls.get(plan) ?? 0 })),
      traffic: live === null ? null : trafficOf(live),
    };
  });
}

function rangeOf({ from, to }: { readonly from?: string; readonly to?: string }, now: number) {
  const toMs = to === undefined ? now : timeOf(to, "query:to", "querystring/to");
  const fromMs =
    from === undefined ? Math.max(0, toMs - LATELY_DAYS * DAY_MS) : timeOf(from, "query:from", "querystring/from");
  if (fromMs >= toMs) refuseBy("query:from", "querystring/from", "Expected from before to");
  return { fromMs, toMs };
}

/** Of this run alone: the ledger has no requests that cost nothing, and those are often the ones that failed. */
function trafficOf({ sinceMs, metrics, routeNames }: LiveTables) {
  const { refusals, routes } = sumMetrics(metrics);
  const hits = LIMIT_CODES.map((code: ErrorCode) => [code, refusals[code] ?? 0]);
  const figures = [...routeNames()].map(([place, route]) => routeFigures(route, routes(place)));
  return {
    since: rfc3339(sinceMs),
    limitHits: Object.fromEntries(hits),
    routes: figures.filter(({ requests }) => requests > 0),
  };
}

/** `classes` are requests by status class, 1xx first. */
function routeFigures(route: string, classes: readonly number[]) {
  const requests = classes.reduce((sum, n) => sum + n, 0);
  const [, , , clientErrors = 0, serverErrors = 0] = classes;
  return { route, requests, clientErrors, serverErrors, errorRate: requests === 0 ? 0 : serverErrors / requests };
}
