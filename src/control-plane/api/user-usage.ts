/** `GET /admin/users/{id}/usage`: what a user has used in a time, by account and meter. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Static } from "typebox";
import { rfc3339, wallMs } from "#core/clock.ts";
import { minuteOf, windowAt } from "#core/windows.ts";
import { userUsage } from "#control-plane/metering/user-usage.ts";
import { userOr404 } from "./found.ts";
import { operation } from "./operation.ts";
import { refuseBy } from "./problems.ts";
import { IdParams } from "./schemas.ts";
import type { Services } from "./services.ts";
import { timeOf } from "./times.ts";
import { UserUsageAnswer, UserUsageQuery } from "./user-schemas.ts";

const getUsage = operation(
  { id: "getUserUsage", summary: "Show what a user has used, by account and meter", tag: "Users" },
  { params: IdParams, querystring: UserUsageQuery },
  { 200: UserUsageAnswer },
);

export function registerUserUsage(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { usage, accounts, settings } = services;
  app.get("/admin/users/:id/usage", getUsage, async (request) => {
    const { id, externalId } = await userOr404(services, request.params.id);
    const { timeZone } = settings();
    const { limit } = request.query;
    const range = rangeOf(request.query, timeZone);
    await usage.ledger.fold();
    const lines = await userUsage(usage.db, { user: externalId, ...range });
    const data = [];
    for (const { account, ...line } of lines.slice(0, limit)) {
      const externalAccount = (await accounts.byId(account))?.externalId ?? null;
      data.push({ account, externalAccount, ...line });
    }
    const [from, to] = [rfc3339(range.fromMs), rfc3339(range.toMs)];
    return { user: id, externalId, from, to, timeZone, data, truncated: lines.length > limit };
  });
}

/** Left out, it begins with the month, of the file's time zone, in which it ends, and ends now. */
function rangeOf({ from, to }: Static<typeof UserUsageQuery>, timeZone: string) {
  const toMs = to === undefined ? wallMs() : timeOf(to, "query:to", "querystring/to");
  const month = windowAt({ kind: "month", timeZone, day: 1 }, Math.max(0, toMs - 1), 0);
  const fromMs = from === undefined ? month.startMs : minuteOf(timeOf(from, "query:from", "querystring/from"));
  if (fromMs >= toMs) refuseBy("query:from", "querystring/from", "Expected from before to");
  return { fromMs, toMs };
}
