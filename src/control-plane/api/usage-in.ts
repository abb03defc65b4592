/**
 * Usage that apps report: `POST …/usage/events` and `/usage/reservations`. Main thread. Whoever may call them may name any account.
 * Not here: what an event says and counts (`metering/usage-events.ts`), the limits of reservations (`metering/units-taker.ts`).
 */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { rfc3339 } from "#core/clock.ts";
import type { Refusal } from "#core/errors.ts";
import { parseDuration } from "#core/units.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { EventResult } from "#control-plane/metering/usage-events.ts";
import type { ReservationRow } from "#control-plane/metering/reservation-store.ts";
import { EventResultsAnswer, ReservationAnswer } from "./billing-answers.ts";
import { ConfirmBody, EVENT_BODIES, EVENTS_MAX, ReservationBody } from "./billing-schemas.ts";
import { callerOf } from "./caller.ts";
import { bodyOptional, operation } from "./operation.ts";
import { limitsOf } from "./limits-of.ts";
import { refuseBy, reject, rejectWith } from "./problems.ts";
import { IdParams } from "./schemas.ts";
import type { Services } from "./services.ts";

const EVENTS_BYTES_MAX = 1024 * 1024;
const HOLD_MS_MAX = 24 * 3_600_000;

const tag = "Usage";

const reserveUnits = operation(
  {
    id: "reserveUnits",
    summary: "Set units aside for work that is measured later",
    tag,
    errors: ["credits_exhausted", "quota_exceeded", "not_found"],
  },
  { body: ReservationBody },
  { 201: ReservationAnswer },
);
const confirmReservation = operation(
  { id: "confirmReservation", summary: "Count what a reservation came to", tag, errors: ["conflict"] },
  { params: IdParams, body: ConfirmBody },
  { 200: ReservationAnswer },
);
const releaseReservation = operation(
  { id: "releaseReservation", summary: "Give the units of a reservation back", tag, errors: ["conflict"] },
  { params: IdParams },
  { 200: ReservationAnswer },
);

/**
 * Answers 200 when every event counts or counted before, 207 when some are rejected, 400 when all are; always with a result for each.
 * `account` says whose usage it is where an event does not.
 */
export function registerEvents(
  app: FastifyInstance,
  services: Services,
  { path, id }: { readonly path: string; readonly id: string },
  account: (request: FastifyRequest) => Promise<Account | null>,
): void {
  const reportUsage = operation(
    { id, summary: "Report usage that HTTP does not show", tag },
    { bodies: EVENT_BODIES },
    { 200: EventResultsAnswer, 207: EventResultsAnswer },
  );
  app.post(path, { ...reportUsage, bodyLimit: EVENTS_BYTES_MAX }, async (request, reply) => {
    const type = request.headers["content-type"] ?? "";
    const form = type.toLowerCase().startsWith("application/cloudevents") ? "cloudevents" : "plain";
    const events = eventsOf(request.body, type);
    const data = await services.events.report({ events, form, account: await account(request) });
    const rejected = data.filter(({ status }) => status === "rejected").length;
    if (rejected > 0) logRejected(services, request.id, data, rejected);
    if (rejected === 0 || rejected < data.length) return reply.code(rejected === 0 ? 200 : 207).send({ data });
    const words = data.length === 1 ? "The event is rejected" : `All ${data.length} events are rejected`;
    const refusal: Refusal = { code: "malformed_request", rule: "usage:events", detail: words, fields: { data } };
    return rejectWith(refusal);
  });
}

/** A reporter that does not read answers is found in the log. */
function logRejected(services: Services, id: string, data: readonly EventResult[], rejected: number): void {
  const errors = Object.groupBy(data, ({ error }) => error ?? "none");
  const counts = Object.entries(errors).flatMap(([error, all = []]) => (error === "none" ? [] : [[error, all.length]]));
  const facts = {
    event: "events-rejected",
    request_id: id,
    rejected,
    of: data.length,
    errors: Object.fromEntries(counts),
  };
  services.log.warn(facts, "Reported usage was rejected and does not count");
}

function eventsOf(body: unknown, type: string): readonly unknown[] {
  const isBatch = type.toLowerCase().startsWith("application/cloudevents-batch");
  const isSingle = !isBatch && type.toLowerCase().startsWith("application/cloudevents");
  if (body === undefined || (isBatch && !Array.isArray(body)) || (isSingle && Array.isArray(body))) {
    const wanted = isBatch ? "a list of events" : isSingle ? "one event" : "an event or a list of events";
    reject("malformed_request", "usage:events", `Expected ${wanted} as the body`);
  }
  const events: readonly unknown[] = Array.isArray(body) ? body : [body];
  if (events.length > EVENTS_MAX)
    reject("malformed_request", "usage:events", `Expected at most ${EVENTS_MAX} events, got ${events.length}`);
  return events;
}

export function registerReservations(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.post("/usage/reservations", reserveUnits, async (request, reply) => {
    const { meter, units, account: named, key, user, route, expires } = request.body;
    checkMeter(services, meter);
    const account =
      named === undefined ? (await callerOf(request, services)).account : await accountOf(services, named);
    const limits = await limitsOf(services, { account, keyId: key ?? null, user: user ?? null });
    if (limits === null) refuseBy("reservation:key", "body/key", `Account ${account.id} has no key ${key}`);
    const lifetimeMs = parseDuration(expires) ?? Infinity;
    if (lifetimeMs > HOLD_MS_MAX)
      refuseBy("reservation:expires", "body/expires", `Expected at most 24h in expires, got ${expires}`);
    const whose = { account, key: key ?? "", user: user ?? "", route: route ?? "", ownLimits: limits };
    const made = await services.reservations.reserve({ ...whose, meter, units, lifetimeMs });
    return reply.code(201).send(viewOrReject(made));
  });
  // Without a body, what was reserved is confirmed.
  app.post("/usage/reservations/:id/confirm", bodyOptional(confirmReservation), async (request) =>
    viewOrReject(await services.reservations.confirm(request.params.id, request.body.units ?? null)),
  );
  app.post("/usage/reservations/:id/release", releaseReservation, async (request) =>
    viewOrReject(await services.reservations.release(request.params.id)),
  );
}

function checkMeter(services: Services, meter: string): void {
  const { meters } = services.settings();
  if (Object.hasOwn(meters, meter)) return;
  const known = Object.keys(meters).join(", ") || "none";
  refuseBy("reservation:meter", "body/meter", `Meter ${meter} is not in the configuration; there are ${known}`);
}

async function accountOf(services: Services, id: string): Promise<Account> {
  return (await services.accounts.find(id)) ?? reject("not_found", "account:id", `No account ${id}`);
}

function viewOrReject(outcome: ReservationRow | Refusal): Record<string, unknown> {
  if ("code" in outcome) return rejectWith(outcome);
  const { id, account, meter, units, state, confirmed_units: confirmedUnits, key, user, route } = outcome;
  return {
    id,
    account,
    meter,
    units,
    state,
    confirmedUnits,
    key: key || null,
    user: user || null,
    route: route || null,
    createdAt: rfc3339(outcome.created_ms),
    expiresAt: rfc3339(outcome.expires_ms),
    settledAt: outcome.settled_ms === null ? null : rfc3339(outcome.settled_ms),
  };
}
