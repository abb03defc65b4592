/** Keys of another system: imported by their hashes, good from their first use on, and no way to burn the processor. */
import { createHash, scryptSync } from "node:crypto";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import bcrypt from "bcrypt";
import { afterAll, expect, test } from "vitest";
import { connectionToEach } from "#test/support/connection.ts";
import { until } from "#test/support/until.ts";
import { askJson, rows, startScene } from "#test/support/scene.ts";

const config = {
  identity: {
    keys: {
      foreign: [
        { prefix: "sk_live_", length: 24 },
        { prefix: "old-", alphabet: "base64url", length: { min: 16, max: 90 } },
      ],
    },
  },
};
const scene = await startScene({ config });
const { gateway, operator, upstream } = scene;
const account = await operator.account();

afterAll(() => scene[Symbol.asyncDispose]());

let secrets = 0;
const newSecret = () => `sk_live_${String(++secrets).padStart(6, "a")}${"b".repeat(18)}`;
const sha256 = (secret: string) => createHash("sha256").update(secret).digest("hex");
const ask = (secret: string, path = "/x") => askJson(`${gateway.url}${path}`, { bearer: secret });
const importAll = (body: unknown) => operator.call("POST", "/admin/keys/import", body);

function scryptHash(secret: string): string {
  const [salt, part] = [Buffer.alloc(16, 3), (bytes: Buffer) => bytes.toString("base64").replaceAll("=", "")];
  return `$scrypt$ln=10,r=8,p=1$${part(salt)}$${part(scryptSync(secret, salt, 32, { N: 1024, r: 8, p: 1 }))}`;
}

async function hashOf(kind: string, secret: string) {
  const start = secret.slice(0, 14);
  if (kind === "sha256") return { kind, digest: sha256(secret) };
  if (kind === "scrypt") return { kind, digest: scryptHash(secret), start };
  return { kind: "bcrypt", digest: (await bcrypt.hash(secret, 4)).replace("$2b", `$${kind}`), start };
}

test.each(["sha256", "scrypt", "2b", "2y"])("a key imported by %s works on its first use and after, on every worker", async (kind) => {
  const secret = newSecret();
  expect((await ask(secret)).status).toBe(401);
  const hash = await hashOf(kind, secret);
  const made = await importAll({ account, roles: ["Admin"], scopes: ["read"], hash });
  expect(made.status).toBe(201);
  const [key] = rows(made.body, "data");
  expect((await ask(secret.replace(/b$/, "c"))).status).toBe(401);
  const workers = await connectionToEach(gateway, 2);
  for (const worker of [...workers, ...workers])
    expect((await worker.ask("GET", "/x", [`X-API-Key: ${secret}`])).status).toBe(200);
  expect(upstream.last().headers).toMatchObject({ "x-tollgate-key-id": key?.id, "x-tollgate-scope": "read" });
  for (const worker of workers) worker[Symbol.dispose]();
  const told = rows((await operator.call("GET", `/admin/audit?target=${String(key?.id)}`)).body, "data");
  expect(told.map(({ action }) => action)).toEqual(["key.adopted", "key.imported"]);
  expect(JSON.stringify(told)).not.toContain(secret.slice(-12));
  // Whoever runs the import again makes no second key that the secret never reaches.
  expect(await importAll({ account, hash })).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining("A key with this digest is there already") },
  });
  await operator.call("DELETE", `/admin/keys/${String(key?.id)}`);
  expect((await ask(secret)).body.error).toBe("key_revoked");
}); // biome-ignore format: the title

test("first uses at once on both workers end in one key", async () => {
  const secret = newSecret();
  const made = await importAll({ account, hash: await hashOf("2b", secret) });
  const answers = await Promise.all(Array.from({ length: 40 }, () => ask(secret)));
  expect(answers.map(({ status }) => status)).toEqual(answers.map(() => 200));
  const target = String(rows(made.body, "data")[0]?.id);
  const told = await operator.call("GET", `/admin/audit?target=${target}&action=key.adopted`);
  expect(rows(told.body, "data")).toHaveLength(1);
});

test("revoked, disabled or rotated before its first use it is just that", async () => {
  const [revoked, rotated] = [newSecret(), newSecret()];
  const made = await importAll([
    { account, hash: { kind: "sha256", digest: sha256(revoked) } },
    { account, hash: { kind: "sha256", digest: sha256(rotated) } },
  ]);
  const [one, other] = rows(made.body, "data").map(({ id }) => String(id));
  await operator.call("DELETE", `/admin/keys/${one}`);
  const anew = await operator.call("POST", `/admin/keys/${other}/rotate`, { overlap: "1h" });
  expect((await ask(revoked)).body.error).toBe("key_revoked");
  expect((await ask(rotated)).status).toBe(200);
  expect((await ask(String(anew.body.key))).status).toBe(200);
  expect((await ask(rotated)).headers.get("x-tollgate-warning")).toContain("retires");
});

test("bcrypt's first 72 bytes are not enough", async () => {
  const secret = `old-${"x".repeat(70)}`;
  await importAll({ account, hash: { kind: "bcrypt", digest: await bcrypt.hash(secret, 4), start: "old-xxxxxx" } });
  expect((await ask(`${secret.slice(0, 72)}yy`)).status).toBe(401);
  expect((await ask(secret)).status).toBe(401);
});

test("all or nothing: one bad item and none is there, with its index; duplicates and common starts are refused", async () => {
  const good = () => ({ account, hash: { kind: "sha256", digest: sha256(newSecret()) } });
  const before = rows((await operator.call("GET", `/admin/keys?account=${account}&limit=1000`)).body, "data").length;
  const twice = good();
  const slow = (start: string, n: number) => ({ account, hash: { kind: "bcrypt", digest: `$2b$04$${String(n).padStart(53, "a")}`, start } });
  for (const [body, status, path] of [
    [[good(), { ...good(), account: "acct_none" }], 400, "body/1/account"],
    [[good(), { ...good(), roles: ["None"] }], 400, "body/1/roles"],
    [[good(), { ...good(), limits: { quotas: [{ meter: "none", limit: 1, per: "day" }] } }], 400, "body/1/limits/quotas/0/meter"],
    [[good(), { ...good(), addresses: ["nowhere"] }], 400, "body/1/addresses/0"],
    [[good(), { ...good(), extra: 1 }], 400, "body/1/extra"],
    [[good(), { account, hash: { kind: "md5", digest: "x" } }], 400, "body/1/hash/kind"],
    [[good(), { account, hash: { kind: "sha256", digest: "short" } }], 400, "body/1/hash/digest"],
    [[good(), { account, hash: { kind: "bcrypt", digest: `$2b$04$${"a".repeat(53)}` } }], 400, "body/1/hash/start"],
    [[good(), { account, hash: { kind: "bcrypt", digest: `$2b$20$${"a".repeat(53)}`, start: "sk_live_aaaa" } }], 400, "body/1/hash/digest"],
    [[good(), { account, hash: { kind: "scrypt", digest: "$scrypt$ln=20,r=8,p=1$AAAAAAAAAAAAAAAA$AAAAAAAAAAAAAAAAAAAAAA", start: "sk_live_aaaa" } }], 400, "body/1/hash/digest"],
    [[good(), slow("pk_live_aaaa", 1)], 400, "body/1/hash/start"],
    [[good(), slow(`sk_live_${"a".repeat(15)}`, 1)], 400, "body/1/hash/start"],
    [[good(), slow(`sk_live_${"a".repeat(24)}`, 1)], 400, "body/1/hash/start"],
    [[good(), { account, hash: { kind: "sha256", digest: sha256("x"), start: "short" } }], 400, "body/1/hash/start"],
    [[twice, twice], 409, "body/1"],
    [[good(), ...Array.from({ length: 17 }, (_, n) => slow("sk_live_same", n))], 409, "body/17"],
    [[], 400, "body"],
  ] as const) expect(await importAll(body)).toMatchObject({ status, body: { path } });
  expect(rows((await operator.call("GET", `/admin/keys?account=${account}&limit=1000`)).body, "data")).toHaveLength(before);
}); // biome-ignore format: a table

test("a flood of wrong secrets with a known start is refused, and keys in use do not feel it", async () => {
  const known = await operator.key();
  const keys = Array.from({ length: 2 }, (_, n) => `sk_live_flood${String(n).padStart(19, "0")}`);
  const items = keys.map(async (secret) => ({ account, hash: { kind: "bcrypt", digest: await bcrypt.hash(secret, 10), start: "sk_live_flood" } }));
  expect((await importAll(await Promise.all(items))).status).toBe(201);
  const order: number[] = [];
  const wrong = async (n: number) => {
    const answer = await ask(`sk_live_flood${String(n).padStart(19, "9")}`);
    order.push(answer.status);
    return answer;
  };
  const flood = Promise.all(Array.from({ length: 120 }, (_, n) => wrong(n)));
  for (let n = 0; n < 20; n++) expect((await ask(known.secret)).status).toBe(200);
  const answers = await flood;
  const statuses = answers.map(({ status }) => status);
  expect(new Set(statuses)).toEqual(new Set([401, 503]));
  expect(answers.find(({ status }) => status === 503)?.headers.get("retry-after")).toBe("1");
  // Those beyond the queue are refused at once, while those in it are still to be compared; without a bound all would wait out the 4 s.
  expect(order.slice(order.indexOf(503)).filter((status) => status === 401).length).toBeGreaterThanOrEqual(5);
  // At most those that ran or waited were compared.
  expect(statuses.filter((status) => status === 401).length).toBeLessThan(80);
  // The right one has its turn behind those that wait.
  await until("the imported key works", async () => (await ask(keys[1] ?? "")).status === 200, 60_000);
}, 120_000); // biome-ignore format: lists

test("texts of no format are compared with nothing; a token stays a token", async () => {
  for (const text of ["sk_live_short", `sk_live_${"!".repeat(24)}`, `sk_live_${"a".repeat(25)}`, `pk_live_${"a".repeat(24)}`])
    expect((await ask(text)).status).toBe(401);
  expect((await askJson(`${gateway.url}/x`, { bearer: "eyJhbGciOiJub25lIn0.e30." })).body.error).toBe("credentials_invalid");
  const secret = newSecret();
  await importAll({ account, roles: ["Admin"], hash: { kind: "sha256", digest: sha256(secret) } });
  expect(gateway.output()).not.toContain(secret);
}); // biome-ignore format: lists

test("the command line imports JSON and CSV", async () => {
  const [one, two] = [newSecret(), newSecret()];
  const file = join(gateway.dir, "keys.csv");
  writeFileSync(file, `account,name,kind,digest,roles\r\n${account},"One, ""first""",sha256,${sha256(one)},Admin User\r\n`);
  const { code, stdout } = await gateway.cli("keys", "import", file, "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout).data).toMatchObject([{ name: 'One, "first"', roles: ["Admin", "User"] }]);
  writeFileSync(join(gateway.dir, "keys.json"), JSON.stringify({ account, hash: { kind: "sha256", digest: sha256(two) } }));
  expect((await gateway.cli("keys", "import", join(gateway.dir, "keys.json"))).code).toBe(0);
  for (const secret of [one, two]) expect((await ask(secret)).status).toBe(200);
}); // biome-ignore format: lines of files

test("rows that are broken are told by their number, and nothing of the file is imported", async () => {
  const file = join(gateway.dir, "broken.csv");
  const heading = "account,kind,digest,roles";
  const good = () => `${account},sha256,${sha256(newSecret())},Admin`;
  const many = Array.from({ length: 1200 }, good);
  const count = async () => rows((await operator.call("GET", `/admin/keys?account=${account}&limit=1000`)).body, "data").length;
  const before = await count();
  const cases = [
    [["account,kind", `${account},sha256`], "row 1, digest: Column is missing"],
    [[`${heading},secret`, `${good()},x`], "row 1, secret: Unknown column"],
    [[heading, good(), "", `${account},sha256`], "row 4: Expected 4 cells, got 2"],
    [[heading, good(), `${account},"sha2"56,x,`], "Quotes are broken"],
    [[heading, ...many, `nobody,sha256,${sha256("x")},`], "Row 1202: Item 1200: No account nobody"],
    [[heading, good(), `${account},md5,${sha256("y")},`], "Row 3: body/1/hash/kind"],
    [[heading, ...many, many[0] ?? ""], "Row 1202: Key 1200: A key with this digest is there already"],
  ] as const;
  for (const [lines, told] of cases) {
    writeFileSync(file, lines.join("\n"));
    const { code, stderr } = await gateway.cli("keys", "import", file);
    expect([code, stderr]).toEqual([1, expect.stringContaining(told)]);
    expect(stderr).toContain("Nothing was imported");
  }
  expect(await count()).toBe(before);
  for (const [name, text, told] of [["none.csv", null, "Cannot read"], ["bad.json", "{", "is not JSON"]] as const) {
    if (text !== null) writeFileSync(join(gateway.dir, name), text);
    expect((await gateway.cli("keys", "import", join(gateway.dir, name))).stderr).toContain(told);
  }
}, 60_000); // biome-ignore format: a table
