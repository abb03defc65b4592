/**
 * The principal: who calls, what they may, by which plan. Worker thread; frozen, made from records, claims and settings.
 * Sources of truth, never mixed: a key's roles come from our store; a token's roles and permissions come from the token alone, or, where
 * its issuer's `roleSource` is `members`, from the member of the account alone.
 * The plan comes from the account, else from the token's claim, else it is the default plan.
 */
import type { PlanSettings, Settings } from "#config/settings.ts";
import { keyEndMs } from "#shared/key-state.ts";
import type { TokenSession } from "#shared/messages.ts";
import type { AccountRecord, HolderLimits, KeyRecord, UserRecord } from "#shared/principals.ts";
import { listClaim, textClaim } from "./claims.ts";
import { compileNarrowing, type Narrowing } from "./narrowing.ts";
import type { Sighting } from "./sightings.ts";
import { memberOf, sessionOfToken } from "./token-user.ts";
import type { VerifiedToken } from "./token-verifier.ts";

export interface Principal {
  readonly kind: "jwt" | "key";
  readonly account: AccountRecord;
  /** The id the operator's own systems know, else ours. */
  readonly publicAccount: string;
  /** null: the key of an account, no user. */
  readonly user: string | null;
  readonly roles: readonly string[];
  /** Patterns, wildcards included. */
  readonly permissions: readonly string[];
  /** null: not narrowed by scopes. */
  readonly scopes: readonly string[] | null;
  /** What let them in; null: a key. */
  readonly token: VerifiedToken | null;
  readonly keyId: string | null;
  /** Until when its key's secret is good that a rotation has replaced; milliseconds since 1970. null: it is the newest, or there is none. */
  readonly retiresAtMs: number | null;
  /** When its key, as the secret that was shown makes it, is over if nothing changes; milliseconds since 1970, `Infinity`: never, or a token. */
  readonly keyEndsAtMs: number;
  readonly plan: PlanSettings;
  /** Values of the token's claims that rates go by, by the rate key `claim:PATH`. */
  readonly claims: Readonly<Record<string, string>>;
  readonly sighting: Sighting;
  /** The user's session; null: a key, or nobody's. */
  readonly session: TokenSession | null;
  /** What its key is good for; null: everything. */
  readonly narrowing: Narrowing | null;
  /** Item of `X-Tollgate-Warning` on its answers; null: nothing to warn of. */
  readonly warning: string | null;
  /** Limits of the key and of the member, inside those of the account. */
  readonly ownLimits: readonly HolderLimits[];
}

const NO_LIMITS: readonly HolderLimits[] = Object.freeze([]);

export function principalOfKey(key: KeyRecord, account: AccountRecord, settings: Settings): Principal {
  return {
    kind: "key",
    account,
    publicAccount: account.externalId ?? account.id,
    user: null,
    roles: key.roles,
    permissions: permissionsOf(key.roles, settings),
    scopes: key.scopes,
    token: null,
    keyId: key.id,
    retiresAtMs: key.retiresAtMs,
    keyEndsAtMs: keyEndMs(key),
    plan: planOf(account, null, settings),
    claims: {},
    sighting: { atMs: 0 },
    session: null,
    narrowing: compileNarrowing(key.narrowing),
    warning: warningOf(key),
    ownLimits: key.limits === null ? NO_LIMITS : [{ holder: "key", limits: key.limits }],
  };
}

/** `user`: whom the token is of; null: nobody. */
export function principalOfToken(
  token: VerifiedToken,
  account: AccountRecord,
  user: UserRecord | null,
  settings: Settings,
): Principal {
  const { claims, roleSource } = token.issuer;
  const isByToken = roleSource === "token";
  const member = memberOf(account, user);
  const roles = isByToken ? listClaim(token.payload, claims.roles) : (member?.roles ?? []);
  const permissions = isByToken ? listClaim(token.payload, claims.permissions) : [];
  const limits = member?.limits ?? null;
  return {
    kind: "jwt",
    account,
    publicAccount: account.externalId ?? account.id,
    user: user?.externalId ?? null,
    roles,
    permissions: [...permissionsOf(roles, settings), ...permissions],
    scopes: claims.scopes === null ? null : listClaim(token.payload, claims.scopes),
    token,
    keyId: null,
    retiresAtMs: null,
    keyEndsAtMs: Infinity,
    plan: planOf(account, textClaim(token.payload, claims.plan), settings),
    claims: limitClaims(token, settings),
    sighting: { atMs: 0 },
    session: user === null ? null : sessionOfToken(token, account.id, user.id),
    narrowing: null,
    warning: null,
    ownLimits: limits === null ? NO_LIMITS : [{ holder: "user", limits }],
  };
}

/** Tells whoever still uses a secret that was replaced until when it is good, as a date of RFC 9651 §3.3.7. */
function warningOf({ retiresAtMs }: KeyRecord): string | null {
  return retiresAtMs === null ? null : `"key";retires=@${Math.floor(retiresAtMs / 1000)}`;
}

const CLAIM = "claim:";

function limitClaims(token: VerifiedToken, { rates, concurrency }: Settings): Readonly<Record<string, string>> {
  const keys = [...Object.values(rates), ...Object.values(concurrency)].flatMap(({ by }) => by);
  const wanted = [...new Set(keys)].filter((key) => key.startsWith(CLAIM));
  return Object.fromEntries(
    wanted.flatMap((key) => {
      const value = textClaim(token.payload, key.slice(CLAIM.length));
      return value === null ? [] : [[key, value]];
    }),
  );
}

/** The account a token acts for: the account claim, or the user where no claim is configured. */
export function accountOfToken(token: VerifiedToken): string | null {
  const { claims } = token.issuer;
  return textClaim(token.payload, claims.account ?? claims.user);
}

function permissionsOf(roles: readonly string[], settings: Settings): readonly string[] {
  return roles.flatMap((role) => (Object.hasOwn(settings.roles, role) ? (settings.roles[role] ?? []) : []));
}

/** A plan that is not in the file any more counts as none. */
function planOf(account: AccountRecord, claimed: string | null, settings: Settings): PlanSettings {
  for (const id of [account.plan, claimed, settings.defaultPlan]) {
    const plan = id !== null && Object.hasOwn(settings.plans, id) ? settings.plans[id] : undefined;
    if (plan !== undefined) return plan;
  }
  throw new Error("Settings have no default plan");
}
