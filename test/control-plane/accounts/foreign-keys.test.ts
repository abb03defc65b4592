/** Imported keys at their first use, on a real store. Whole lives, over HTTP and workers: `blackbox/keys-import.test.ts`. */
import { createHash } from "node:crypto";
import { expect, test } from "vitest";
import { ForeignKeys } from "#control-plane/accounts/foreign-keys.ts";
import { KeyImport } from "#control-plane/accounts/key-import.ts";
import { UNNARROWED } from "#shared/principals.ts";
import { openKeySite, PEPPER } from "./key-site.ts";

test("a use that asked for the key before another one made it ours, and for an imported one after, finds it", async () => {
  await using site = await openKeySite();
  const { db, audit, keys, account } = site;
  const formats = () => [{ prefix: "sk_", alphabet: "base62", length: { min: 16, max: 16 } }] as const;
  const foreign = new ForeignKeys({ db, audit, pepper: PEPPER, keep: () => null, formats, keys });
  const secret = "sk_0123456789abcdef";
  const digest = createHash("sha256").update(secret).digest("hex");
  const facts = { accountId: account, name: null, env: "live", roles: [], scopes: null, expiresAtMs: null } as const;
  const wish = { ...facts, limits: null, narrowing: UNNARROWED, hash: { kind: "sha256", digest, start: "" } } as const;
  await new KeyImport({ db, audit, foreign, announce: () => Promise.resolve() }).add([wish]);
  const first = await foreign.find(secret);
  expect(first).toMatchObject({ accountId: account });
  expect(await foreign.find(secret)).toMatchObject({ id: first === null || first === "busy" ? "" : first.id });
  expect(await foreign.find(secret.replace("f", "e"))).toBeNull();
});
