/** What a worker remembers of keys: a key may have several secrets at once, and a change of the key is a change of them all. */
import { expect, test } from "vitest";
import { keyHash } from "#core/key-hash.ts";
import { ControlLink } from "#data-plane/identity/control-link.ts";
import { digestOf } from "#data-plane/identity/credentials.ts";
import { Directory } from "#data-plane/identity/directory.ts";
import { type KeyRecord, UNNARROWED } from "#shared/principals.ts";

const PEPPER = Buffer.alloc(32, 7);
const RECORD: KeyRecord = {
  id: "key_1",
  accountId: "acct_1",
  roles: [],
  scopes: null,
  expiresAtMs: null,
  revoked: false,
  enabled: true,
  retiresAtMs: null,
  narrowing: UNNARROWED,
  limits: null,
};

/** A control plane with these secrets; `asked` counts its questions. */
function site(secrets: Map<string, KeyRecord>) {
  const asked: string[] = [];
  const link: ControlLink = new ControlLink((message) => {
    if (message.type !== "ask" || message.question.kind !== "key") return;
    const { hash } = message.question;
    const found = [...secrets].find(([secret]) => keyHash(secret, PEPPER) === hash);
    asked.push(found?.[0] ?? "?");
    link.answered(message.id, { kind: "key", key: found?.[1] ?? null });
  });
  const directory = new Directory(link, PEPPER);
  const key = async (secret: string) => {
    const found = await directory.key(secret, digestOf(secret));
    if (found === "busy") throw new Error("Nobody said so");
    return found;
  };
  return { directory, asked, key };
}

test("a change of a key with several secrets is forgotten of none of them", async () => {
  const secrets = new Map([
    ["old", { ...RECORD, retiresAtMs: 5 }],
    ["new", RECORD],
  ]);
  const { key, directory, asked } = site(secrets);
  expect([await key("old"), await key("new"), await key("old"), await key("new")].map((found) => found?.revoked)).toEqual([
    false, false, false, false,
  ]); // biome-ignore format: one row
  expect(asked).toEqual(["old", "new"]);
  for (const [secret, record] of secrets) secrets.set(secret, { ...record, revoked: true });
  directory.invalidate({ kind: "key", id: "key_1" });
  expect([(await key("old"))?.revoked, (await key("new"))?.revoked]).toEqual([true, true]);
  // And again: what was forgotten is remembered anew, with all its secrets.
  directory.invalidate({ kind: "key", id: "key_1" });
  await key("new");
  await key("old");
  expect(asked).toHaveLength(6);
});

test("a change of one key leaves the others remembered", async () => {
  const { key, directory, asked } = site(
    new Map([
      ["one", RECORD],
      ["two", { ...RECORD, id: "key_2" }],
    ]),
  );
  await key("one");
  await key("two");
  directory.invalidate({ kind: "key", id: "key_1" });
  await key("two");
  expect(asked).toEqual(["one", "two"]);
});
