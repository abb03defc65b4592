/**
 * The gateway's own endpoints for customers (`server.prefix` on `listen`), behind the workers. Main thread.
 * Every answer is about the caller's own account; ids of others are not found.
 */
import type { FastifyBaseLogger, FastifyInstance } from "fastify";
import Type from "typebox";
import { newControlApp } from "./control-app.ts";
import { callerActor, callerOf } from "./caller.ts";
import { registerOwnCredits } from "./credits-api.ts";
import { registerHealth } from "./health.ts";
import { registerOwnBilling, registerOwnReports } from "./own-billing.ts";
import { operation } from "./operation.ts";
import { registerOwnKeys } from "./own-keys.ts";
import { reject } from "./problems.ts";
import type { Services } from "./services.ts";
import { registerEvents, registerReservations } from "./usage-in.ts";

const KeySetAnswer = Type.Object(
  { keys: Type.Array(Type.Record(Type.String(), Type.Unknown())) },
  { contentMediaType: "application/jwk-set+json" },
);

const readKeySet = operation(
  { id: "getKeySet", summary: "Show the public keys of the gateway's own issuer", tag: "Identity" },
  {},
  { 200: KeySetAnswer },
);

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
  app.get("/.well-known/jwks.json", readKeySet, async (_request, reply) =>
    reply
      .type("application/jwk-set+json")
      .header("cache-control", "public, max-age=300")
      .send(Buffer.from(services.keySets.own())),
  );
  registerOwnBilling(app, services);
  registerOwnReports(app, services);
  registerOwnCredits(app, services);
  const events = { path: "/usage/events", id: "reportUsage" };
  registerEvents(app, services, events, async (request) => (await callerOf(request, services)).account);
  registerReservations(app, services);
  registerOwnKeys(app, services);
  return app;
}
