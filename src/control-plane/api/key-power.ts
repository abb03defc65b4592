/**
 * Nobody makes, changes or reads out a key that may more than they do themselves: one rule for all endpoints of keys. Main thread, pure.
 * Not here: permissions of the gateway in roles (`hand-out.ts`).
 */
import { isWithinBlocks } from "#core/addresses.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { KeyNarrowing, OwnLimits } from "#shared/principals.ts";
import type { ApiKey } from "#control-plane/accounts/api-key.ts";
import { isWithinLimits } from "./own-limits.ts";

/** What a caller may, or a key, as far as keys are compared. */
export interface KeyPower {
  readonly roles: readonly string[];
  /** null: not narrowed. */
  readonly scopes: readonly string[] | null;
  /** null: never. */
  readonly expiresAtMs: number | null;
  readonly narrowing: KeyNarrowing;
  /** Of the key itself, or of the member who calls with a token. */
  readonly limits: OwnLimits | null;
}

/** The key as whoever calls with it may use it: by a secret that was replaced no longer than that one is good. */
export function callingPower<K extends KeyPower>(key: K, secretRetiresMs: number | null): K {
  const endMs = Math.min(key.expiresAtMs ?? Infinity, secretRetiresMs ?? Infinity);
  return { ...key, expiresAtMs: endMs === Infinity ? null : endMs };
}

/** Who calls, and with which key; null: a token. */
export interface KeyOwner {
  readonly accountId: string;
  readonly power: KeyPower;
  readonly keyId: string | null;
}

/** In what `key` may more than `owner`; null: in nothing. */
export function beyond(owner: KeyPower, key: KeyPower): Refusal | null {
  const role = key.roles.find((wanted) => !owner.roles.includes(wanted));
  if (role !== undefined) return refusal("role", `Role ${role} is not yours to give`);
  const scope = itemBeyond("scope", owner.scopes, key.scopes);
  if (scope !== null) return scope;
  if ((key.expiresAtMs ?? Infinity) > (owner.expiresAtMs ?? Infinity))
    return refusal("expires", "A key cannot outlive the key, or the replaced secret, that makes, changes or shows it");
  if (!isWithinLimits(key.limits, owner.limits)) return refusal("limits", "The limits are wider than your own");
  return beyondNarrowing(owner.narrowing, key.narrowing);
}

function beyondNarrowing(owner: KeyNarrowing, key: KeyNarrowing): Refusal | null {
  const narrower =
    itemBeyond("route", owner.routes, key.routes) ?? itemBeyond("method", withHead(owner.methods), key.methods);
  if (narrower !== null) return narrower;
  if (owner.addresses === null) return null;
  const blocks = owner.addresses;
  const address = key.addresses === null ? "any" : key.addresses.find((wanted) => !isWithinBlocks(wanted, blocks));
  return address === undefined ? null : refusal("address", `Address ${address} is not yours to give`);
}

/** null: `wanted` is all within. */
function itemBeyond(what: string, held: readonly string[] | null, wanted: readonly string[] | null): Refusal | null {
  if (held === null) return null;
  if (wanted === null)
    return refusal(what, `A key for any ${what} is not yours to make, change or show: you are held to some`);
  const item = wanted.find((one) => !held.includes(one));
  return item === undefined ? null : refusal(what, `The ${what} ${item} is not yours to give`);
}

function withHead(methods: readonly string[] | null): readonly string[] | null {
  return methods?.includes("GET") === true ? [...methods, "HEAD"] : methods;
}

/**
 * Why the caller may not have the secret of `key` (null: of a new one); null: they may. Every key has counters of its own, so who has limits
 * of their own, by their key or as a member, would have them once more with each further key.
 */
export function secretRefusal({ keyId, power }: KeyOwner, key: ApiKey | null): Refusal | null {
  if (power.limits === null || (key !== null && key.id === keyId)) return null;
  return refusal("limits", "Who has limits of their own comes by no other key: it would have limits of its own");
}

/** Why the caller may not revoke the key; null: they may. A person (token) may revoke any of the account, a key itself and lesser ones. */
export function revocationRefusal({ keyId, power }: KeyOwner, key: ApiKey): Refusal | null {
  return keyId === null || keyId === key.id ? null : beyond(power, key);
}

/**
 * Why the caller may not read out the key's secret; null: they may. A key itself alone, and not by a secret that was replaced: whoever has
 * only that is to have nothing soon. A person keys that may no more than they do.
 */
export function revealRefusal(owner: KeyOwner, key: ApiKey): Refusal | null {
  if (owner.keyId !== null && owner.keyId !== key.id) return refusal("reveal", "A key reads out no key but itself");
  return secretRefusal(owner, key) ?? beyond(owner.power, key);
}

/**
 * Why the caller may not make `key` into `after`; null: they may. A key changes itself and lesser ones, to what may no more than it does;
 * a person any key of the account that may no more afterwards than before, or no more than they do.
 */
export function changeRefusal({ keyId, power }: KeyOwner, key: ApiKey, after: ApiKey): Refusal | null {
  if (keyId !== null) return beyond(power, key) ?? beyond(power, after);
  const isWidened = beyond(key, after) !== null || (after.enabled && !key.enabled);
  return isWidened ? beyond(power, after) : null;
}

function refusal(what: string, detail: string): Refusal {
  return refuse("permission_denied", `key:${what}`, detail);
}
