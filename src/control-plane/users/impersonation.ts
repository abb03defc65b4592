/**
 * Impersonation: an operator gets a short token that says both whom it acts as and who acts (RFC 8693's `act`). Main thread.
 * The token is the local issuer's, and ends like any other session of the user.
 */
import { rfc3339, wallMs } from "#core/clock.ts";
import { randomBase62 } from "#core/ids.ts";
import type { IssuerSettings } from "#config/identity-settings.ts";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import { currentActor } from "#control-plane/audit/acting.ts";
import type { LocalIssuer } from "#control-plane/issuers/local-issuer.ts";
import type { User } from "./user.ts";

/** 131 bits. */
const TOKEN_ID_LENGTH = 22;

export interface ImpersonationWish {
  readonly user: User;
  /** `accounts.id`; null: it is made at the first sight of the token. */
  readonly account: string | null;
  /** As tokens name it. */
  readonly externalAccount: string;
  readonly roles: readonly string[];
  readonly reason: string;
  readonly lifetimeMs: number;
}

export interface Impersonated {
  readonly token: string;
  /** Its `jti`. */
  readonly session: string;
  readonly expiresAtMs: number;
}

export class Impersonation {
  readonly #audit: AuditLog;
  readonly #issuer: LocalIssuer;

  constructor(audit: AuditLog, issuer: LocalIssuer) {
    this.#audit = audit;
    this.#issuer = issuer;
  }

  /** The token is handed out only when the log has it. */
  async begin(issuer: IssuerSettings, wish: ImpersonationWish): Promise<Impersonated> {
    const { user, account, externalAccount, roles, reason } = wish;
    const { kind, id } = currentActor();
    const session = `imp_${randomBase62(TOKEN_ID_LENGTH)}`;
    const lifetimeMs = Math.min(wish.lifetimeMs, issuer.maxLifetimeMs ?? Infinity);
    const expiresAtMs = Math.floor(wallMs() / 1000) * 1000 + lifetimeMs;
    const after = { reason, account: externalAccount, roles, session, expiresAt: rfc3339(expiresAtMs) };
    await this.#audit.record({ action: "user.impersonated", target: user.id, account, before: null, after });
    const token = await this.#issuer.sign(issuer, {
      account: externalAccount,
      user: user.externalId,
      roles,
      plan: null,
      lifetimeMs,
      actor: { sub: id ?? kind, kind },
      id: session,
    });
    return { token, session, expiresAtMs };
  }
}
