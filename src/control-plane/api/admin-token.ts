/** The admin token: made and printed once at first start, kept only as a hash; or set in gateway.yaml. Main thread. */
import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { sql } from "kysely";
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

/** The token in force. `made` is its text when this call made it, the only time it can be shown. */
export async function adminToken(
  db: Database,
  configured: string | null,
): Promise<{ readonly token: AdminToken; readonly made: string | null }> {
  if (configured !== null) return { token: new AdminToken(digest(configured)), made: null };
  const made = `tg_admin_${randomBytes(24).toString("base64url")}`;
  const value = digest(made).toString("base64url");
  const inserted = await db
    .insertInto("facts")
    .values({ name: FACT, value })
    .onConflict((conflict) => conflict.column("name").doNothing())
    .executeTakeFirst();
  const { value: kept } = await db
    .selectFrom("facts")
    .select("value")
    .where("name", "=", sql.lit(FACT))
    .executeTakeFirstOrThrow();
  return {
    token: new AdminToken(Buffer.from(kept, "base64url")),
    made: inserted.numInsertedOrUpdatedRows === 1n ? made : null,
  };
}
