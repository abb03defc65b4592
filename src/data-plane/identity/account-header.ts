/**
 * The header by which a token acts for another account that its user is a member of (`identity.accountHeader`). Worker thread, pure.
 * Whether an account exists is never told to somebody who is no member of it.
 */
import { type Refusal, refuse } from "#core/errors.ts";
import type { AccountRecord, UserRecord } from "#shared/principals.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import { actorOf } from "./token-user.ts";
import type { VerifiedToken } from "./token-verifier.ts";
import type { RequestHead } from "#data-plane/wire/head.ts";

export const NOT_OURS: Refusal = refuse("tenant_mismatch", "account:header", "Belongs to another account");

/** The header's value; null: it is not sent, or not configured. Sent twice it is refused: nobody knows which is meant. */
export function askedAccount({ names, raw }: RequestHead, { settings }: Runtime): string | null | Refusal {
  const { accountHeader } = settings.identity;
  if (accountHeader === null) return null;
  const at = names.indexOf(accountHeader);
  if (at === -1) return null;
  if (names.includes(accountHeader, at + 1))
    return refuse("malformed_request", "account:header", `Header ${accountHeader} is sent twice`);
  return raw[2 * at + 1] ?? "";
}

/** Whether nothing else than the caller's own account is asked for. */
export function isOwn({ id, externalId }: AccountRecord, asked: string | null): boolean {
  return asked === null || asked === id || asked === externalId;
}

/**
 * Whether a token can ask for another account than its own. Who acts as a user does so in the account that the token names: in another,
 * whose roles nobody has looked at, the user may be far more.
 */
export function mayAsk({ issuer, payload }: VerifiedToken): boolean {
  return issuer.roleSource === "members" && actorOf(payload) === null;
}

/** Our id of the account that is asked for, by our id or the operator's; null: the user is no member of such a one. */
export function memberAccount(user: UserRecord | null, asked: string | null): string | null {
  if (user === null || asked === null) return null;
  for (const [id, member] of Object.entries(user.members)) {
    if (member !== null && (id === asked || member.externalAccount === asked)) return id;
  }
  return null;
}
