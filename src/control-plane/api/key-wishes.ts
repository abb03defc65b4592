/** From the body of a request about a key to what is made or changed: defaults, units, and names that have to be known. Main thread. */
import { canonicalBlock } from "#core/addresses.ts";
import { wallMs } from "#core/clock.ts";
import type { KeyEnvironment } from "#core/key-format.ts";
import { parseTime } from "#core/time-text.ts";
import { parseDuration } from "#core/units.ts";
import type { Settings } from "#config/settings.ts";
import { builtinRoutesOf } from "#config/builtin-routes.ts";
import { didYouMean } from "#config/suggest.ts";
import type { KeyChange, NewApiKey } from "#control-plane/accounts/api-key.ts";
import { beyond, type KeyOwner, secretRefusal } from "./key-power.ts";
import { type KeyPatchWish, METHODS, type NewKeyWish } from "./key-schemas.ts";
import { readOwnLimits } from "./own-limits.ts";
import { refuseAt, refuseBy, reject, rejectWith } from "./problems.ts";

const OVERLAP_MS_MAX = 30 * 86_400_000;
/** RFC 9110 §9.2.1. */
const SAFE: readonly string[] = ["GET", "HEAD", "OPTIONS"];

const NAMES_SHOWN_MAX = 20;

/** A key as an operator asks for it: any known role. */
export function operatorKey(wish: NewKeyWish, accountId: string, settings: Settings): NewApiKey {
  const roles = wish.roles ?? [];
  const unknown = roles.find((role) => !Object.hasOwn(settings.roles, role));
  if (unknown !== undefined) {
    const known = Object.keys(settings.roles).join(", ") || "none";
    refuseBy("key:role", "body/roles", `Role ${unknown} is not in the configuration; there are ${known}`);
  }
  const { name = null, expiresAtMs = null, limits = null, ...narrowing } = readChange(wish, settings);
  const { routes = null, addresses = null } = narrowing;
  return {
    accountId,
    name,
    env: environmentOf(wish, settings),
    roles,
    scopes: scopesOf(wish),
    expiresAtMs,
    narrowing: { routes, methods: methodsOf(wish), addresses },
    limits,
  };
}

/** A key as a customer asks for it: what is left out is as with the caller, and nothing is beyond. */
export function ownKey(wish: NewKeyWish, owner: KeyOwner, settings: Settings): NewApiKey {
  const { power, accountId } = owner;
  const denied = secretRefusal(owner, null);
  if (denied !== null) rejectWith(denied);
  const known = power.roles.filter((role) => Object.hasOwn(settings.roles, role));
  const unknown = wish.roles?.find((role) => !known.includes(role));
  if (unknown !== undefined) reject("permission_denied", "key:role", `Role ${unknown} is not yours to give`);
  const wanted = operatorKey({ ...wish, roles: wish.roles ?? [...known] }, accountId, settings);
  const { routes, methods, addresses } = wanted.narrowing;
  const key = {
    ...wanted,
    scopes: wanted.scopes ?? power.scopes,
    expiresAtMs: wanted.expiresAtMs ?? power.expiresAtMs,
    narrowing: {
      routes: routes ?? power.narrowing.routes,
      methods: methods ?? power.narrowing.methods,
      addresses: addresses ?? power.narrowing.addresses,
    },
  };
  const refusal = beyond(power, key);
  return refusal === null ? key : rejectWith(refusal);
}

/** What a body changes; names and addresses are checked. */
export function readChange(wish: KeyPatchWish, settings: Settings): KeyChange {
  const { name, enabled, routes, methods, addresses, limits } = wish;
  const expiresAtMs = endOf(wish);
  return {
    ...(name === undefined ? {} : { name }),
    ...(enabled === undefined ? {} : { enabled }),
    ...(expiresAtMs === undefined ? {} : { expiresAtMs }),
    ...(routes === undefined ? {} : { routes: routes === null ? null : checkedRoutes(routes, settings) }),
    ...(methods === undefined ? {} : { methods }),
    ...(addresses === undefined ? {} : { addresses: addresses === null ? null : addresses.map(checkedAddress) }),
    ...(limits === undefined ? {} : { limits: readOwnLimits(limits, "key", settings) }),
  };
}

/** Milliseconds of an overlap, at most 30 days. */
export function readOverlap(text: string): number {
  const ms = parseDuration(text) ?? Infinity;
  return ms <= OVERLAP_MS_MAX ? ms : refuseAt("body/overlap", `Expected at most 30d, got ${text}`);
}

/** undefined: nothing is said of it; null: never. */
function endOf({ expires, expiresAt }: KeyPatchWish): number | null | undefined {
  if (expires !== undefined && expiresAt !== undefined)
    refuseAt("body/expiresAt", "Expected either expires or expiresAt, got both");
  if (expires === null || expiresAt === null) return null;
  if (expires !== undefined) {
    const lifeMs = parseDuration(expires) ?? Infinity;
    const endMs = wallMs() + lifeMs;
    // The last moment a Date can tell (ECMA-262 §21.4.1.1).
    return endMs <= 8.64e15 ? endMs : refuseAt("body/expires", `Expected a shorter life, got ${expires}`);
  }
  if (expiresAt === undefined) return undefined;
  const endMs = parseTime(expiresAt) ?? 0;
  if (endMs <= wallMs()) refuseAt("body/expiresAt", `Expected a time of RFC 3339 that is to come, got "${expiresAt}"`);
  return endMs;
}

function checkedRoutes(routes: readonly string[], settings: Settings): readonly string[] {
  const known = [...settings.routes, ...builtinRoutesOf(settings.server)].map(({ name }) => name);
  const at = routes.findIndex((name) => !known.includes(name));
  const unknown = routes[at];
  if (unknown === undefined) return routes;
  // All of them are too many to read: the gateway's own are a hundred.
  const hint =
    didYouMean(unknown, known) ?? `there are ${namesOf(settings)}, and tollgate.… for the gateway's own endpoints`;
  return refuseAt(`body/routes/${at}`, `Route ${unknown} is not in the configuration: ${hint}`);
}

function namesOf({ routes }: Settings): string {
  const more = routes.length > NAMES_SHOWN_MAX ? ", …" : "";
  return (
    routes
      .slice(0, NAMES_SHOWN_MAX)
      .map(({ name }) => name)
      .join(", ") + more
  );
}

function checkedAddress(text: string, index: number): string {
  const hint = "such as 192.0.2.7, 10.0.0.0/8 or 2001:db8::/32";
  return (
    canonicalBlock(text) ??
    refuseAt(`body/addresses/${index}`, `Expected an IP address or a CIDR block, got "${text}": ${hint}`)
  );
}

function environmentOf({ env }: NewKeyWish, settings: Settings): KeyEnvironment {
  const { environments } = settings.identity.keys;
  const [first = "live"] = environments;
  if (env === undefined) return environments.includes("live") ? "live" : first;
  if (environments.includes(env)) return env;
  return refuseAt("body/env", `Keys of ${env} are not taken here; there are ${environments.join(", ")}`);
}

function scopesOf({ scopes }: NewKeyWish): readonly string[] | null {
  return Array.isArray(scopes) ? scopes : null;
}

/** The methods the key is good for: those named, of those that reading or writing takes. */
function methodsOf({ methods = null, scopes = null }: NewKeyWish): readonly string[] | null {
  if (scopes === null || Array.isArray(scopes)) return methods;
  const { read = false, write = false } = scopes;
  if (!read && !write) refuseAt("body/scopes", "Expected read or write to be true");
  if (read && write) return methods;
  const allowed = (methods ?? METHODS).filter((method) => SAFE.includes(method) === read);
  return allowed.length > 0 ? allowed : refuseAt("body/methods", "Expected a method that the scopes allow");
}

/** Whether keys with these methods read (safe methods) and write (all others). */
export function accessOf(methods: readonly string[] | null): { readonly read: boolean; readonly write: boolean } {
  if (methods === null) return { read: true, write: true };
  return {
    read: methods.some((method) => SAFE.includes(method)),
    write: methods.some((method) => !SAFE.includes(method)),
  };
}
