/**
 * The user a token is of: who that is, by its claims, and whether the gateway still takes its word for them. Worker thread, pure.
 * What is refused here holds for all of the user's tokens, or for all of one session; what is wrong with one: `issuers.ts`.
 */
import { type Refusal, refuse } from "#core/errors.ts";
import type { AccountRecord, MemberRecord, TokenUser, UserRecord } from "#shared/principals.ts";
import type { TokenSession } from "#shared/messages.ts";
import { type Claims, textClaim } from "./claims.ts";
import { digestOf } from "./credentials.ts";
import type { TokenOwner } from "./directory.ts";
import type { VerifiedToken } from "./token-verifier.ts";

/** RFC 5321 §4.5.3.1.3, less the brackets. */
const EMAIL_LENGTH_MAX = 254;
const NAME_LENGTH_MAX = 200;
/** 132 bits. */
const DIGEST_LENGTH = 22;

/** null: the token names no user. */
export function userOfToken({ payload, issuer }: VerifiedToken): TokenUser | null {
  const externalId = textClaim(payload, issuer.claims.user);
  if (externalId === null) return null;
  const name = textClaim(payload, issuer.claims.name);
  const short = name !== null && name.length <= NAME_LENGTH_MAX ? name : null;
  return { externalId, email: emailOf(payload, issuer.claims.email), name: short };
}

/** An issuer that says it did not look whose address it is gives none. Some say so in text. */
function emailOf(claims: Claims, path: string): string | null {
  if (claims.email_verified === false || claims.email_verified === "false") return null;
  const email = textClaim(claims, path)?.trim().toLowerCase() ?? "";
  return email.length <= EMAIL_LENGTH_MAX && /^[^\s@]+@[^\s@]+$/.test(email) ? email : null;
}

/**
 * The login a token is of: `sid`, else the token itself, by its `jti` or the digest of what is signed. Not of the signature: whoever has
 * one of ECDSA can make another of it, (r, n - s), which is as good.
 */
export function sessionOf(claims: Claims, token: string): string {
  const said = textClaim(claims, "sid") ?? textClaim(claims, "jti");
  return said ?? digestOf(token.slice(0, token.lastIndexOf("."))).slice(0, DIGEST_LENGTH);
}

/** What is told of the session when it was seen; `account` and `user` are our ids. */
export function sessionOfToken(token: VerifiedToken, account: string, user: string): TokenSession {
  const { payload, issuer, session: id, issuedAt, validUntil } = token;
  return {
    id,
    user,
    issuer: issuer.name,
    account,
    actor: actorOf(payload),
    renewable: textClaim(payload, "sid") !== null,
    issuedMs: issuedAt === null ? null : Math.floor(issuedAt * 1000),
    expiresMs: Math.floor(validUntil * 1000),
  };
}

/** Who acts as the user (RFC 8693 §4.1); null: the user. */
export function actorOf({ act }: Claims): string | null {
  // An object is claims.
  return typeof act === "object" && act !== null ? textClaim(act as Claims, "sub") : null;
}

/** The account, when it lets the token's user in, else why not. */
export function accountOfOwner(token: VerifiedToken, { account, user }: TokenOwner): AccountRecord | Refusal {
  if (user?.state === "deleted") return refuse("credentials_invalid", "user:deleted", "User has been deleted");
  if (user?.state === "suspended") return refuse("account_suspended", "user:suspended", "User is suspended");
  if (account === null) return refuse("credentials_invalid", "token:account", "Token belongs to no account");
  if (account.state === "deleted") return refuse("credentials_invalid", "account:deleted", "Account has been deleted");
  return user === null ? account : (sessionFault(token, user) ?? memberFault(token, account, user) ?? account);
}

function sessionFault({ issuedAt, session, payload }: VerifiedToken, user: UserRecord): Refusal | null {
  if (user.notBeforeMs !== null && isUpTo(issuedAt, user.notBeforeMs))
    return refuse("session_revoked", "session:revoked", "All sessions of the user were revoked: sign in again");
  const { deniedSessions } = user;
  if (deniedSessions.length === 0) return null;
  // The `jti` of one token that leaked ends that one, also where the login it is of has a name of its own.
  const token = textClaim(payload, "jti");
  return deniedSessions.includes(session) || (token !== null && deniedSessions.includes(token))
    ? refuse("session_revoked", "session:denied", "Session was revoked: sign in again")
    : null;
}

/** `iat` is mostly in whole seconds: what was issued in the very second counts as before, for nobody can tell. */
function isUpTo(issuedAt: number | null, ms: number): boolean {
  return issuedAt === null || Math.floor(issuedAt) * 1000 <= ms;
}

function memberFault({ issuer }: VerifiedToken, account: AccountRecord, user: UserRecord): Refusal | null {
  if (issuer.roleSource === "token" || memberOf(account, user) !== null) return null;
  return refuse("tenant_mismatch", "account:member", "User is no member of this account");
}

/** null: the user is none of the account's. */
export function memberOf(account: AccountRecord, user: UserRecord | null): MemberRecord | null {
  return user !== null && Object.hasOwn(user.members, account.id) ? (user.members[account.id] ?? null) : null;
}
