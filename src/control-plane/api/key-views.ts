/** How API keys look in answers. Main thread. Never their secrets, but once in the answer to what makes one. */
import type { FastifyReply } from "fastify";
import { rfc3339, wallMs } from "#core/clock.ts";
import type { ApiKey, OldSecret } from "#control-plane/accounts/api-key.ts";
import type { KeyWithSecret } from "#control-plane/accounts/api-keys.ts";
import { type KeyFilter, keyState } from "#control-plane/accounts/key-list.ts";
import { wrongCursor } from "./cursors.ts";
import { accessOf } from "./key-wishes.ts";
import { ownLimitsView } from "./own-limits.ts";
import { reject } from "./problems.ts";
import type { Services } from "./services.ts";
import { pageView } from "./views.ts";

function keyView(key: ApiKey, oldSecrets: readonly OldSecret[] = []): Record<string, unknown> {
  return {
    id: key.id,
    account: key.accountId,
    name: key.name,
    env: key.env,
    masked: key.masked,
    state: keyState(key, wallMs()),
    enabled: key.enabled,
    roles: key.roles,
    scopes: key.scopes,
    access: accessOf(key.narrowing.methods),
    ...key.narrowing,
    limits: ownLimitsView(key.limits),
    createdAt: rfc3339(key.createdAtMs),
    createdBy: key.createdBy,
    expiresAt: timeOrNull(key.expiresAtMs),
    revokedAt: timeOrNull(key.revokedAtMs),
    lastUsedAt: timeOrNull(key.usedAtMs),
    lastUsedFrom: key.usedFrom,
    retrievable: key.retrievable,
    oldSecrets: oldSecrets.map(({ masked, retiresAtMs }) => ({ masked, retiresAt: rfc3339(retiresAtMs) })),
  };
}

function timeOrNull(ms: number | null): string | null {
  return ms === null ? null : rfc3339(ms);
}

export async function shownKey(services: Services, key: ApiKey): Promise<Record<string, unknown>> {
  const old = await services.keys.oldSecrets([key.id]);
  return keyView(key, old.get(key.id));
}

export async function shownPage(
  services: Services,
  filter: KeyFilter,
  limit: number,
  cursor: string | undefined,
): Promise<Record<string, unknown>> {
  const { accountId } = filter;
  const last = cursor === undefined ? null : await services.keys.byId(cursor);
  if (cursor !== undefined && (last === null || (accountId !== undefined && last.accountId !== accountId)))
    wrongCursor();
  const keys = await services.keys.list(filter, limit + 1, last);
  const old = await services.keys.oldSecrets(keys.map(({ id }) => id));
  return pageView(
    keys,
    limit,
    (key) => keyView(key, old.get(key.id)),
    ({ id }) => id,
  );
}

/** Nothing on the way may keep the secret. */
export async function withSecret(services: Services, reply: FastifyReply, { key, secret }: KeyWithSecret) {
  return reply.header("cache-control", "no-store").send({ ...(await shownKey(services, key)), key: secret });
}

/** A secret that was kept. */
export function revealed(reply: FastifyReply, secret: string) {
  return reply.header("cache-control", "no-store").send({ key: secret });
}

export function unreadable(): never {
  return reject(
    "secret_unavailable",
    "key:sealed",
    "The secret of this key cannot be opened: its sealing key is missing",
  );
}
