/** A gateway with a store of many keys, written into it before it starts: through the command line a million would take a day. */
import { mkdtempSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { newId } from "#core/ids.ts";
import { keyHash } from "#core/key-hash.ts";
import { maskedKey, newKey, STANDARD_FORMAT } from "#core/key-format.ts";
import { connectionOf, openDatabase } from "#control-plane/store/database.ts";
import { pepperOf } from "#control-plane/store/pepper.ts";

/** As many keys as this have one account in common. */
const KEYS_FOR_EACH_ACCOUNT = 10;

export interface KeyStock {
  /** Folder for a gateway to start in. */
  readonly dir: string;
  /** File with the first of them, as values of `Authorization`, one a line. */
  readonly credentials: string;
}

/**
 * `listed`: so many of them are written to the file of credentials, spread over all; by account: all keys of accounts that are spread over all.
 */
export async function stockKeys(
  root: string,
  count: number,
  listed: number,
  by: "key" | "account" = "key",
): Promise<KeyStock> {
  const dir = mkdtempSync(join(root, "keys-"));
  const data = join(dir, "data");
  const db = await openDatabase(join(data, "tollgate.db"));
  const pepper = pepperOf(data);
  const sqlite = connectionOf(db);
  // Nothing is lost that could not be made again, and the pages of a million keys fit.
  sqlite.exec("PRAGMA synchronous = OFF; PRAGMA cache_size = -1000000");
  const account = sqlite.prepare(
    "INSERT INTO accounts (id, external_id, name, state, created_at) VALUES (?, ?, 'bench', 'active', ?)",
  );
  const key = sqlite.prepare(
    "INSERT INTO api_keys (id, account_id, hash, masked, env, roles, created_at) VALUES (?, ?, ?, ?, 'live', '[\"Developer\"]', ?)",
  );
  const now = Date.now();
  const lines: string[] = [];
  const together = by === "account" ? KEYS_FOR_EACH_ACCOUNT : 1;
  const every = Math.max(1, Math.floor(count / listed));
  sqlite.exec("BEGIN");
  let accountId = "";
  for (let n = 0; n < count; n++) {
    // Not all of one moment: lists go by it.
    if (n % KEYS_FOR_EACH_ACCOUNT === 0) account.run((accountId = newId("acct")), `customer-${n}`, now - count + n);
    const secret = newKey(STANDARD_FORMAT, "live");
    key.run(newId("key"), accountId, keyHash(secret, pepper), maskedKey(secret), now);
    if (Math.floor(n / together) % every === 0 && lines.length < listed) lines.push(`Bearer ${secret}`);
  }
  sqlite.exec("COMMIT");
  await db.destroy();
  const credentials = join(dir, "credentials");
  writeFileSync(credentials, `${lines.join("\n")}\n`);
  return { dir, credentials };
}
