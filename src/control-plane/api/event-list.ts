/** `GET /admin/events`: what happened that others may want to know, such as thresholds of quotas that were crossed. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { eventsAfter } from "#control-plane/metering/thresholds.ts";
import { reject } from "./problems.ts";
import { EventsPage } from "./schemas.ts";
import type { Services } from "./services.ts";

export function registerEventList(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/events", { schema: { querystring: EventsPage } }, async (request) => {
    const { account: id, after, limit } = request.query;
    const account = id === undefined ? null : await services.accounts.find(id);
    if (id !== undefined && account === null) reject("not_found", "account:id", `No account ${id}`);
    // What was charged until now is in the list.
    await services.usage.ledger.fold();
    const data = await eventsAfter(services.usage.db, { after, limit, account: account?.id ?? null });
    return { data, nextCursor: data.length < limit ? null : (data.at(-1)?.seq ?? null) };
  });
}
