/** API keys on a real store of their own: one account, and everything that is announced. */
import { STANDARD_FORMAT } from "#core/key-format.ts";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Accounts } from "#control-plane/accounts/accounts.ts";
import type { NewApiKey } from "#control-plane/accounts/api-key.ts";
import { ApiKeys } from "#control-plane/accounts/api-keys.ts";
import { AuditLog } from "#control-plane/audit/audit-log.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import type { Invalidation } from "#shared/messages.ts";
import { UNNARROWED } from "#shared/principals.ts";

export const PEPPER = Buffer.alloc(32, 7);

export interface KeySite extends AsyncDisposable {
  /** The store's folder. */
  readonly root: string;
  readonly db: Database;
  readonly audit: AuditLog;
  readonly keys: ApiKeys;
  readonly account: string;
  /** What was announced, the oldest first; tests may empty it. */
  readonly announced: Invalidation[];
  key(part?: Partial<NewApiKey>): ReturnType<ApiKeys["create"]>;
}

export async function openKeySite(): Promise<KeySite> {
  const root = mkdtempSync(join(tmpdir(), "tollgate-keys-"));
  const db = await openDatabase(join(root, "tollgate.db"));
  const audit = new AuditLog(db, PEPPER);
  const announced: Invalidation[] = [];
  const keys = new ApiKeys({
    db,
    audit,
    pepper: PEPPER,
    announce: async (what) => void announced.push(what),
    keep: () => null,
  });
  const accounts = new Accounts(db, audit, () => Promise.resolve(), { move: () => Promise.resolve() });
  const account = (await accounts.create({ name: "one", externalId: null, plan: null })).id;
  const wish = {
    accountId: account,
    name: null,
    env: "live",
    roles: ["User"],
    scopes: null,
    expiresAtMs: null,
    limits: null,
    narrowing: UNNARROWED,
  } as const;
  return {
    root,
    db,
    audit,
    keys,
    account,
    announced,
    key: (part = {}) => keys.create(STANDARD_FORMAT, { ...wish, ...part }),
    async [Symbol.asyncDispose]() {
      await db.destroy();
      rmSync(root, { recursive: true, force: true });
    },
  };
}
