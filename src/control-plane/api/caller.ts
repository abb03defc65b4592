/** Who calls a self-service endpoint: what the worker wrote into the internal headers. Main thread. Clients cannot reach this listener. */
import type { FastifyRequest } from "fastify";
import type { PlanSettings } from "#config/settings.ts";
import { INTERNAL_HEADERS } from "#config/builtin-routes.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { Actor } from "#control-plane/audit/acting.ts";
import type { User } from "#control-plane/users/user.ts";
import { reject } from "./problems.ts";
import type { Services } from "./services.ts";

const ADDRESSES_LENGTH_MAX = 500;

export interface Caller {
  readonly account: Account;
  readonly user: string | null;
  /** Who acts as the user; null: the user. */
  readonly actor: string | null;
  readonly roles: readonly string[];
  /** Patterns, of roles and of the token; empty but where they are shown. */
  readonly permissions: readonly string[];
  /** null: an unnarrowed key. */
  readonly scopes: readonly string[] | null;
  readonly plan: PlanSettings;
  readonly keyId: string | null;
  /** Until when the secret it calls with is good that a rotation has replaced; null: it is the newest, or a token. */
  readonly secretRetiresMs: number | null;
}

/** Refuses a request whose account is gone meanwhile. */
export async function callerOf(request: FastifyRequest, services: Services): Promise<Caller> {
  const account = await services.accounts.byId(internalHeader(request, INTERNAL_HEADERS.account) ?? "");
  if (account === null) reject("credentials_invalid", "account:gone", "Account does not exist any more");
  const settings = services.settings();
  const plan =
    settings.plans[internalHeader(request, INTERNAL_HEADERS.plan) ?? ""] ?? settings.plans[settings.defaultPlan];
  if (plan === undefined) throw new Error("Settings have no default plan");
  const keyId = internalHeader(request, INTERNAL_HEADERS.keyId);
  const retires = internalHeader(request, INTERNAL_HEADERS.secretRetires);
  return {
    account,
    user: internalHeader(request, INTERNAL_HEADERS.user),
    actor: internalHeader(request, INTERNAL_HEADERS.actor),
    roles: list(request, INTERNAL_HEADERS.roles, ",") ?? [],
    permissions: list(request, INTERNAL_HEADERS.permissions, " ") ?? [],
    scopes: list(request, INTERNAL_HEADERS.scope, " "),
    plan,
    keyId,
    secretRetiresMs: retires === null ? null : Number(retires),
  };
}

/** Refuses to change anything for somebody who acts as another: what is lasting is for the user alone. */
export function checkNotImpersonated(request: FastifyRequest): void {
  const actor = internalHeader(request, INTERNAL_HEADERS.actor);
  if (actor === null || request.method === "GET" || request.method === "HEAD") return;
  reject("permission_denied", "actor:impersonated", "Who acts as another user changes nothing at the gateway");
}

/** The user whose token the request was made with; a key is nobody's. */
export async function callingUser(request: FastifyRequest, services: Services): Promise<User> {
  const externalId = internalHeader(request, INTERNAL_HEADERS.user);
  if (externalId === null || internalHeader(request, INTERNAL_HEADERS.keyId) !== null)
    reject("permission_denied", "caller:user", "This is for users with their token, not for API keys");
  const user = await services.users.byExternalId(externalId);
  return user ?? reject("credentials_invalid", "user:gone", "User does not exist any more");
}

/** As the audit log names the caller. The worker began the chain of addresses anew, unless a proxy that is trusted had. */
export function callerActor(request: FastifyRequest): Actor {
  const keyId = internalHeader(request, INTERNAL_HEADERS.keyId);
  const user = internalHeader(request, INTERNAL_HEADERS.user);
  const chain = request.headers["x-forwarded-for"];
  return {
    kind: keyId === null ? "user" : "key",
    id: keyId ?? user,
    account: internalHeader(request, INTERNAL_HEADERS.account),
    ip: typeof chain === "string" ? chain.slice(0, ADDRESSES_LENGTH_MAX) : null,
    requestId: request.id,
  };
}

/** One of `INTERNAL_HEADERS`, its percent-encoding (`request-headers.ts`) undone; null: it is not there. */
export function internalHeader(request: FastifyRequest, name: string): string | null {
  const value = request.headers[name];
  return typeof value === "string" && value !== "" ? decodeURIComponent(value) : null;
}

/** Split first, decoded then: an item may hold the separator. null when the header is not there; empty when it is. */
function list(request: FastifyRequest, name: string, separator: string): readonly string[] | null {
  const value = request.headers[name];
  if (typeof value !== "string") return null;
  return value === "" ? [] : value.split(separator).map(decodeURIComponent);
}
