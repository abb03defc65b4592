/** `GET /admin/usage`: the ledger's rows. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { rfc3339, wallMs } from "#core/clock.ts";
import { usageRows } from "#control-plane/metering/usage.ts";
import { UsageRowsAnswer } from "./billing-answers.ts";
import { accountOr404 } from "./found.ts";
import { operation } from "./operation.ts";
import { refuseBy } from "./problems.ts";
import { UsageQuery } from "./schemas.ts";
import type { Services } from "./services.ts";

const DAY_MS = 86_400_000;

const listUsage = operation(
  { id: "listUsage", summary: "Read the ledger by account, key, route, meter and time", tag: "Usage" },
  { querystring: UsageQuery },
  { 200: UsageRowsAnswer },
);

export function registerUsage(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/usage", listUsage, async (request) => {
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
    ? refuseBy(`query:${name}`, `querystring/${name}`, `Expected an RFC 3339 time in ${name}, got "${text}"`)
    : ms;
}
