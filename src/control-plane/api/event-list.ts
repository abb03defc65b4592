/** `GET /admin/events`: what happened that others may want to know, such as thresholds of quotas that were crossed. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { eventsAfter } from "#control-plane/metering/thresholds.ts";
import { operation } from "./operation.ts";
import { reject } from "./problems.ts";
import { EventsPage, pageOf, Time } from "./schemas.ts";
import type { Services } from "./services.ts";

const EventAnswer = Type.Object(
  {
    seq: Type.Integer(),
    id: Type.String(),
    type: Type.String(),
    account: Type.String(),
    at: Time,
    data: Type.Record(Type.String(), Type.Unknown()),
  },
  { title: "Event" },
);

const listEvents = operation(
  { id: "listEvents", summary: "List what happened, such as thresholds of quotas that were crossed", tag: "Events" },
  { querystring: EventsPage },
  { 200: pageOf(EventAnswer, Type.Integer()) },
);

export function registerEventList(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/events", listEvents, async (request) => {
    const { account: id, after, limit } = request.query;
    const account = id === undefined ? null : await services.accounts.find(id);
    if (id !== undefined && account === null) reject("not_found", "account:id", `No account ${id}`);
    // What was charged until now is in the list.
    await services.usage.ledger.fold();
    const data = await eventsAfter(services.usage.db, { after, limit, account: account?.id ?? null });
    return { data, nextCursor: data.length < limit ? null : (data.at(-1)?.seq ?? null) };
  });
}
