/** Keys that seal, their rotation, and a crash at each of its steps: whatever happens, everything that was sealed opens. */
import { chmodSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { newSealingKey } from "#control-plane/secrets/envelope.ts";
import { keySecretPlace, upstreamCredentialPlace } from "#control-plane/secrets/sealed-columns.ts";
import { SEALING_KEYS_FILE, SealingKeys } from "#control-plane/secrets/sealing-keys.ts";
import { Secrets } from "#control-plane/secrets/secrets.ts";
import { type KeySite, openKeySite } from "#test/control-plane/accounts/key-site.ts";
import { collectingLog, type Line } from "./collecting-log.ts";

let site: KeySite;
let lines: Line[] = [];
let sealingKeys: readonly string[] = [];

beforeEach(async () => {
  site = await openKeySite();
  lines = [];
  sealingKeys = [];
});
afterEach(() => site[Symbol.asyncDispose]());

/** As a start of the gateway has them. */
function started(): { readonly keys: SealingKeys; readonly secrets: Secrets } {
  const store = () => ({ store: { file: join(site.root, "tollgate.db"), dataDir: site.root, sealingKeys } });
  const keys = new SealingKeys(store);
  return { keys, secrets: new Secrets({ db: site.db, audit: site.audit, keys, log: collectingLog(lines) }) };
}

/** Keys with a sealed text each, and one credential for an upstream. Their texts by place. */
async function filled(secrets: Secrets, count: number): Promise<ReadonlyMap<string, string>> {
  const texts = new Map<string, string>();
  for (let n = 0; n < count; n++) {
    const { key } = await site.key();
    await site.db.transaction().execute(async (trx) => {
      const sealed = secrets.seal(`secret ${n}`, keySecretPlace(key.id));
      await trx.updateTable("api_keys").set({ sealed }).where("id", "=", key.id).execute();
    });
    texts.set(key.id, `secret ${n}`);
  }
  const place = upstreamCredentialPlace(site.account, "app", "x-token");
  const row = { account: site.account, upstream: "app", header: "x-token", created_ms: 1 };
  await site.db
    .insertInto("upstream_credentials")
    .values({ ...row, sealed: secrets.seal("token", place) })
    .execute();
  return texts;
}

/** What opens, by key; and the credential. */
async function opened(secrets: Secrets) {
  const rows = await site.db.selectFrom("api_keys").select(["id", "sealed"]).where("sealed", "is not", null).execute();
  const texts = new Map(rows.map(({ id, sealed }) => [id, secrets.open(sealed ?? "", keySecretPlace(id))]));
  const [row] = await site.db.selectFrom("upstream_credentials").selectAll().execute();
  const token = secrets.open(row?.sealed ?? "", upstreamCredentialPlace(site.account, "app", "x-token"));
  return { texts, token };
}

const inFile = () => readFileSync(join(site.root, SEALING_KEYS_FILE), "utf8").trim().split("\n");

test("the key is made at first use, for its owner alone, and is there after a restart", async () => {
  const { keys, secrets } = started();
  expect(keys.all()).toEqual([]);
  const sealed = secrets.seal("text", keySecretPlace("a"));
  expect(statSync(join(site.root, SEALING_KEYS_FILE)).mode & 0o777).toBe(0o600);
  expect(inFile()).toHaveLength(1);
  const again = started();
  expect(again.keys.all()).toEqual(keys.all());
  expect(again.secrets.open(sealed, keySecretPlace("a"))).toBe("text");
});

test("a rotation reseals everything with a new key, drops the old one, and writes it down without a secret", async () => {
  const { secrets } = started();
  const texts = await filled(secrets, 450);
  const [old] = inFile();
  const before = await secrets.list();
  const made = await secrets.rotate();
  expect(made).toMatchObject({ resealed: 451, unreadable: 0, dropped: [before[0]?.id] });
  expect(inFile()).toHaveLength(1);
  expect(inFile()[0]).not.toBe(old);
  expect(await secrets.list()).toEqual([{ id: made.sealing, seals: true, present: true, values: 451 }]);
  expect(await opened(started().secrets)).toEqual({ texts, token: "token" });
  const [entry] = await site.audit.list({ action: "secrets.rotated" }, 1);
  expect(entry?.target).toBe(made.sealing);
  for (const key of [...inFile(), old ?? ""]) expect(JSON.stringify(entry)).not.toContain(key);
});

test("rotated while others seal: nothing is left behind, and every text opens after a restart", async () => {
  const { secrets } = started();
  await filled(secrets, 250);
  const { key } = await site.key();
  let turns = 0;
  const sealing = (async () => {
    for (; turns < 60; turns++)
      await site.db.transaction().execute(async (trx) => {
        const sealed = secrets.seal(`turn ${turns}`, keySecretPlace(key.id));
        await trx.updateTable("api_keys").set({ sealed }).where("id", "=", key.id).execute();
      });
  })();
  const [, first, second] = await Promise.all([sealing, secrets.rotate(), secrets.rotate()]);
  expect(second.sealing).not.toBe(first.sealing);
  const after = started().secrets;
  const { texts } = await opened(after);
  expect(texts.get(key.id)).toBe("turn 59");
  expect([...texts.values()]).not.toContain(null);
  expect((await after.list()).filter(({ present }) => !present)).toEqual([]);
});

test.each([1, 2, 3, 4, 5])("a rotation that dies at its transaction %i loses nothing, and the next one ends it", async (fatal) => {
  const { secrets } = started();
  const texts = await filled(secrets, 450);
  let transactions = 0;
  const db = new Proxy(site.db, {
    get: (target, name) => {
      if (name === "transaction" && ++transactions === fatal) throw new Error("died");
      const value: unknown = Reflect.get(target, name, target);
      return typeof value === "function" ? value.bind(target) : value;
    },
  });
  const { keys } = started();
  const dying = new Secrets({ db, audit: site.audit, keys, log: collectingLog(lines) });
  await expect(dying.rotate()).rejects.toThrow("died");
  const after = started();
  expect(after.keys.all()).toHaveLength(2);
  expect(await opened(after.secrets)).toEqual({ texts, token: "token" });
  await after.secrets.rotate();
  expect(inFile()).toHaveLength(1);
  expect(await opened(started().secrets)).toEqual({ texts, token: "token" });
}); // biome-ignore format: the title

test("keys of the configuration seal; those of the file open until a rotation, and are dropped then", async () => {
  const texts = await filled(started().secrets, 3);
  sealingKeys = [Buffer.from(newSealingKey().bytes).toString("hex")];
  const { secrets } = started();
  expect(secrets.source).toBe("config");
  expect(await opened(secrets)).toEqual({ texts, token: "token" });
  const [first] = sealingKeys;
  sealingKeys = [Buffer.from(newSealingKey().bytes).toString("base64"), ...sealingKeys];
  expect((await secrets.rotate()).dropped).toHaveLength(2);
  expect(inFile()).toEqual([""]);
  sealingKeys = sealingKeys.filter((key) => key !== first);
  expect(await opened(started().secrets)).toEqual({ texts, token: "token" });
});

test("a missing key is named in the log with what depends on it; its values do not open and survive a rotation", async () => {
  const texts = await filled(started().secrets, 3);
  const [lost] = await started().secrets.list();
  const text = readFileSync(join(site.root, SEALING_KEYS_FILE));
  writeFileSync(join(site.root, SEALING_KEYS_FILE), "");
  const { secrets } = started();
  await secrets.check();
  expect(lines).toMatchObject([{ event: "sealing-key-missing", key: lost?.id, values: 4 }]);
  expect((await opened(secrets)).token).toBeNull();
  expect(await secrets.rotate()).toMatchObject({ resealed: 0, unreadable: 4 });
  writeFileSync(join(site.root, SEALING_KEYS_FILE), text);
  expect(await opened(started().secrets)).toEqual({ texts, token: "token" });
});

test("a file that is damaged or open to others is refused", () => {
  const path = join(site.root, SEALING_KEYS_FILE);
  writeFileSync(path, "short\n", { mode: 0o600 });
  expect(started).toThrow("damaged");
  chmodSync(path, 0o644);
  expect(started).toThrow("can be read by others");
});
