/** The admin token: made and printed once at first start, kept only as a hash; or set in gateway.yaml. Main thread. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import type { AuditLog } from "#control-plane/audit/audit-log.ts";
import type { Database } from "#control-plane/store/database.ts";

const FACT = "admin_token_sha256";

function digest(token: string): Buffer {
  return createHash("sha256").update(token).digest();
}

export class AdminToken {
  #digest: Buffer;

  constructor(tokenDigest: Buffer) {
    this.#digest = tokenDigest;
  }

  /** Whether an Authorization header carries it; the time taken says nothing about it. */
  matches(authorization: string | undefined): boolean {
    const token = /^bearer +(\S+)$/i.exec(authorization ?? "")?.[1];
    return token !== undefined && timingSafeEqual(digest(token), this.#digest);
  }

  /** The token of gateway.yaml, after a reload that changed it. */
  replace(token: string): void {
    this.#digest = digest(token);
  }
}

/** The token in force, and its text when it is a new one that `keep` has yet to make lasting. */
export interface OpenedToken {
  readonly token: AdminToken;
  readonly made: string | null;
}

/** Reads the token in force; makes one, in memory only, when there is none. */
export async function openAdminToken(db: Database, configured: string | null): Promise<OpenedToken> {
  if (configured !== null) return { token: new AdminToken(digest(configured)), made: null };
  const kept = await db.selectFrom("facts").select("value").where("name", "=", FACT).executeTakeFirst();
  if (kept !== undefined) return { token: new AdminToken(Buffer.from(kept.value, "base64url")), made: null };
  const made = `tg_admin_${randomBytes(24).toString("base64url")}`;
  return { token: new AdminToken(digest(made)), made };
}

interface Kept {
  readonly db: Database;
  readonly services: { readonly audit: AuditLog };
}

/** Keeps a new token's hash. Only when the start has succeeded: a token that is never shown must not be the one in force. */
export async function keepAdminToken({ db, services }: Kept, made: string): Promise<void> {
  const deed = { action: "admin_token.created", target: "admin token", account: null, before: null, after: null };
  await db.transaction().execute(async (trx) => {
    await trx
      .insertInto("facts")
      .values({ name: FACT, value: digest(made).toString("base64url") })
      .execute();
    await services.audit.write(trx, deed);
  });
}
