/**
 * The gateway's own endpoints below `server.prefix` on `listen`, behind the workers. Main thread. For customers every answer is about
 * their own account; ids of others are not found. With `server.adminOnListen` the admin API is here too, for whoever the workers found
 * to have the permission of the operation.
 */
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from "fastify";
import Type from "typebox";
import type { Settings } from "#config/settings.ts";
import { isAdminOperation } from "#config/admin-routes.ts";
import { builtinRoutesOf } from "#config/builtin-routes.ts";
import { demandsOn } from "#config/endpoint-rules.ts";
import type { Access } from "#control-plane/openapi/document.ts";
import { collectOperations, type Operation } from "#control-plane/openapi/operations.ts";
import { registerAdminEndpoints } from "./admin.ts";
import { newControlApp } from "./control-app.ts";
import { callerActor, callerOf, checkNotImpersonated } from "./caller.ts";
import { registerOwnCredits } from "./credits-api.ts";
import { registerDocs } from "./docs-api.ts";
import { refuseHeld } from "./held-requests.ts";
import { registerHealth } from "./health.ts";
import { registerOwnBilling, registerOwnReports } from "./own-billing.ts";
import { operation } from "./operation.ts";
import { registerOwnKeys } from "./own-keys.ts";
import { registerInvitations } from "./invitations-api.ts";
import { registerOwnMembers } from "./own-members.ts";
import { registerVerify } from "./keys-verify.ts";
import { registerOwnSessions } from "./own-sessions.ts";
import { reject } from "./problems.ts";
import { registerOwnShares } from "./resource-grants-api.ts";
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
  const operations = collectOperations(app);
  // Workers forward the path as clients sent it; the prefix may change with a reload.
  app.addHook("onRequest", async (request) => {
    checkNotImpersonated(request);
    if (isAdmin(request)) return checkServed(request, services);
    const asked = new URL(request.url, "http://control").searchParams.get("account");
    if (asked === null) return;
    const { account } = await callerOf(request, services);
    if (asked !== account.id && asked !== account.externalId)
      reject("not_found", "account:own", "There is no such account, or it is not yours");
  });
  refuseHeld(app, services);
  app.addHook("onSend", async (_request, reply) => {
    if (reply.statusCode === 401) reply.header("www-authenticate", 'Bearer realm="tollgate"');
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
  registerVerify(app, services);
  registerOwnSessions(app, services);
  registerOwnMembers(app, services);
  registerInvitations(app, services);
  registerOwnShares(app, services);
  app.decorate("forPrincipals", true);
  registerAdminEndpoints(app, services);
  registerDocs(app, services.settings, {
    title: "Tollgate",
    description: "The gateway's own endpoints for customers. Every answer is about the caller's own account.",
    base: ({ server }) => server.prefix,
    operations,
    accessOf: callerAccess,
  });
  return app;
}

/** By the route that matched, not by the text of the target. */
function isAdmin({ routeOptions: { url } }: FastifyRequest): boolean {
  return url?.startsWith("/admin/") === true;
}

/** The workers route nothing else to it; this holds should they ever read a path another way, and while a reload switches it off. */
function checkServed({ method, routeOptions: { url = "" } }: FastifyRequest, services: Services): void {
  if (!services.settings().server.adminOnListen || !isAdminOperation(method, url))
    reject("route_not_found", "route:none", "No endpoint takes this path and method");
}

/** Workers route exactly these. */
function callerAccess({ method, path }: Operation, { server, endpoints }: Settings): Access | null {
  const route = builtinRoutesOf(server).find((one) => one.method === method && one.path === path);
  if (route === undefined) return null;
  const { name, permission } = route;
  const auth = route.auth === "none" ? "none" : "caller";
  return { auth, permission, name, demands: demandsOn(route, endpoints.rules) };
}
