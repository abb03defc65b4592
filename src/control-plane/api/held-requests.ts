/**
 * Whether who sent a request may still send it when it is whole. Main thread. Workers let a request in by its head, and its body may take
 * minutes: a revoked key or a removed member could otherwise hold one back until after, and make itself a key that nobody revoked.
 */
import { isDeepStrictEqual } from "node:util";
import type { FastifyInstance, FastifyRequest } from "fastify";
import type { Settings } from "#config/settings.ts";
import { wallMs } from "#core/clock.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { INTERNAL_HEADERS } from "#config/builtin-routes.ts";
import { keyFault } from "#shared/key-state.ts";
import { userRecord } from "#control-plane/users/user-records.ts";
import { internalHeader } from "./caller.ts";
import { rejectWith } from "./problems.ts";
import type { Services } from "./services.ts";

/** They are many, and nothing of theirs lasts but what is counted. */
const FREQUENT = /^\/(?:usage|keys\/verify|admin\/usage)(?:\/|$)/;

/** Looks at the caller of each request that may change something when it comes, and again when all of it is there. */
export function refuseHeld(app: FastifyInstance, services: Services): void {
  const whenItCame = new WeakMap<FastifyRequest, { readonly caller: string; readonly settings: Settings }>();
  app.addHook("onRequest", async (request) => {
    const caller = await standing(request, services);
    if (caller !== null) whenItCame.set(request, { caller, settings: services.settings() });
  });
  app.addHook("preHandler", async (request) => {
    const before = whenItCame.get(request);
    if (before === undefined) return;
    const caller = await standing(request, services);
    if (before.caller === caller && asksAlike(before.settings, services.settings())) return;
    const detail = "What the caller may has changed while the request was on its way: send it again";
    rejectWith(refuse("conflict", "caller:changed", detail));
  });
}

/** Whether a file, loaded meanwhile, says of callers of the gateway's own endpoints what the one before did. */
function asksAlike(before: Settings, now: Settings): boolean {
  if (before === now) return true;
  return isDeepStrictEqual([before.roles, before.endpoints], [now.roles, now.endpoints]);
}

/** All that workers go by of the caller, as text; null: it is of no account. Refuses whom they would refuse. */
async function standing(request: FastifyRequest, services: Services): Promise<string | null> {
  const { method, routeOptions } = request;
  const account = internalHeader(request, INTERNAL_HEADERS.account);
  if (account === null || method === "GET" || method === "HEAD" || FREQUENT.test(routeOptions.url ?? "")) return null;
  const state = (await services.accounts.byId(account))?.state;
  if (state !== "active") rejectWith(accountRefusal(state));
  const keyId = internalHeader(request, INTERNAL_HEADERS.keyId);
  const user = internalHeader(request, INTERNAL_HEADERS.user);
  if (keyId !== null) return keyStanding(services, keyId);
  return user === null ? "" : userStanding(services, user, account);
}

function accountRefusal(state: string | undefined): Refusal {
  return state === "suspended"
    ? refuse("account_suspended", "account:suspended", "Account is suspended")
    : refuse("credentials_invalid", "account:gone", "Account does not exist any more");
}

async function keyStanding({ keys }: Services, id: string): Promise<string> {
  const key = await keys.byId(id);
  const fault =
    key === null ? refuse("credentials_invalid", "key:unknown", "API key is not known") : keyFault(key, wallMs());
  if (fault !== null) rejectWith(fault);
  // With another secret, the one that was shown may be over.
  return JSON.stringify([key?.masked, key?.roles, key?.scopes, key?.expiresAtMs, key?.narrowing, key?.limits]);
}

async function userStanding({ usage }: Services, externalId: string, account: string): Promise<string> {
  const user = await userRecord(usage.db, externalId);
  if (user?.state === "deleted") rejectWith(refuse("credentials_invalid", "user:deleted", "User has been deleted"));
  if (user?.state === "suspended") rejectWith(refuse("account_suspended", "user:suspended", "User is suspended"));
  return JSON.stringify([user?.notBeforeMs, user?.deniedSessions, user?.members[account]]);
}
