/**
 * The admin API: accounts, keys, usage, metrics. Main thread. Served on the admin listener behind the admin token, and on the
 * owner-only ops socket to the command line; with no gateway running, the command line calls the same application in process.
 */
import type { FastifyBaseLogger, FastifyInstance, FastifyRequest } from "fastify";
import Type from "typebox";
import { ADMIN_ROUTES } from "#config/admin-routes.ts";
import type { Actor } from "#control-plane/audit/acting.ts";
import { NO_DEMANDS } from "#config/endpoint-rules.ts";
import type { Access } from "#control-plane/openapi/document.ts";
import { collectOperations, type Operation } from "#control-plane/openapi/operations.ts";
import { registerAccountActions } from "./account-actions.ts";
import { registerAccountBulk } from "./accounts-bulk.ts";
import { registerAccounts } from "./accounts-admin.ts";
import { registerAudit } from "./audit-api.ts";
import type { AdminToken } from "./admin-token.ts";
import { registerBackup } from "./backup.ts";
import { registerBillingAdmin } from "./billing-admin.ts";
import { newControlApp } from "./control-app.ts";
import { registerDocs } from "./docs-api.ts";
import { registerHealth } from "./health.ts";
import { registerKeyImport } from "./keys-import.ts";
import { registerAdminKeys } from "./keys-admin.ts";
import { registerImpersonation } from "./impersonation-admin.ts";
import { registerImports } from "./imports-api.ts";
import { registerAccountMembers } from "./members-admin.ts";
import { operation } from "./operation.ts";
import { reject } from "./problems.ts";
import { registerEventList } from "./event-list.ts";
import { registerSecrets } from "./secrets-admin.ts";
import { registerReconcile } from "./reconcile-api.ts";
import { registerAdminShares } from "./resource-grants-api.ts";
import { registerResources } from "./resources-admin.ts";
import { registerStats } from "./stats-api.ts";
import type { Services } from "./services.ts";
import { registerUserSessions } from "./sessions-admin.ts";
import { registerUpstreamCredentials } from "./upstream-credentials-admin.ts";
import { registerUsage } from "./usage-admin.ts";
import { registerUserUsage } from "./user-usage.ts";
import { registerUsers } from "./users-admin.ts";
import { registerUserBulk } from "./users-bulk.ts";

/** Served without the admin token; whatever is added needs it. */
const OPEN_ROUTES: ReadonlySet<string> = new Set(["/health", "/ready", "/metrics", "/openapi.json", "/docs"]);

const readMetrics = operation(
  { id: "getMetrics", summary: "Read metrics in Prometheus' text format", tag: "Gateway" },
  {},
  { 200: Type.String({ contentMediaType: "text/plain" }) },
);

export interface AdminParts {
  readonly services: Services;
  readonly log: FastifyBaseLogger;
  readonly ready: () => boolean;
  /** Text for Prometheus; null: no gateway runs, only a command. */
  readonly metrics: (() => Promise<{ readonly contentType: string; readonly text: string }>) | null;
  /** null: the caller is trusted by the way it came (ops socket, in process). */
  readonly token: AdminToken | null;
}

export function buildAdmin(parts: AdminParts): FastifyInstance {
  const { services, token, metrics } = parts;
  const app = newControlApp(services, parts.log, (request) => operatorActor(request, token !== null));
  const operations = collectOperations(app);
  const checkToken = async (request: FastifyRequest) => {
    // The route that matched, not the text of the target: the router also takes `/%61dmin/…` and `http://x/admin/…`.
    const route = request.routeOptions.url;
    if (token === null || route === undefined || OPEN_ROUTES.has(route)) return;
    if (!token.matches(request.headers.authorization))
      reject("credentials_invalid", "admin:token", "Admin token is missing or wrong");
  };
  app.addHook("onRequest", checkToken);
  // The token may be another when all of a slow body is there.
  app.addHook("preHandler", checkToken);
  app.addHook("onSend", async (_request, reply) => {
    if (reply.statusCode === 401) reply.header("www-authenticate", 'Bearer realm="tollgate-admin"');
  });
  registerHealth(app, parts.ready);
  if (metrics !== null) {
    app.get("/metrics", readMetrics, async (_request, reply) => {
      const { contentType, text } = await metrics();
      return reply.header("content-type", contentType).send(text);
    });
  }
  registerAdminEndpoints(app, services);
  if (token === null) registerBackup(app, services);
  registerDocs(app, services.settings, {
    title: "Tollgate admin API",
    description: "What operators do with accounts, keys and usage.",
    base: () => "/",
    operations,
    accessOf: operatorAccess,
  });
  return app;
}

/** All but what is only for somebody on this machine; each has its row in `config/admin-routes.ts`. */
export function registerAdminEndpoints(app: FastifyInstance, services: Services): void {
  registerAccounts(app, services);
  registerAccountActions(app, services);
  registerAccountBulk(app, services);
  registerStats(app, services);
  registerAdminKeys(app, services);
  registerKeyImport(app, services);
  registerUsers(app, services);
  registerUserBulk(app, services);
  registerUserUsage(app, services);
  registerUserSessions(app, services);
  registerAccountMembers(app, services);
  registerImpersonation(app, services);
  registerImports(app, services);
  registerUsage(app, services);
  registerBillingAdmin(app, services);
  registerEventList(app, services);
  registerReconcile(app, services);
  registerResources(app, services);
  registerAdminShares(app, services);
  registerAudit(app, services);
  registerSecrets(app, services);
  registerUpstreamCredentials(app, services);
}

/** Over the listener an operator, whoever has the token; by any other way somebody who owns the data folder. */
function operatorActor({ id, ip }: FastifyRequest, isRemote: boolean): Actor {
  return { kind: isRemote ? "operator" : "command", id: null, account: null, ip: isRemote ? ip : null, requestId: id };
}

function operatorAccess({ method, path }: Operation): Access {
  const route = ADMIN_ROUTES.find((one) => one.method === method && one.path === path);
  const auth = OPEN_ROUTES.has(path) ? "none" : "operator";
  return { auth, permission: route?.permission ?? null, name: null, demands: NO_DEMANDS };
}
