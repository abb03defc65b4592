/** Accounts and users out of CSV files: all rows or none, every fault at its row; what is changed is in force on the next request. */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { connectionToEach } from "#test/support/connection.ts";
import { ADMIN_TOKEN, askJson, rows, startScene } from "#test/support/scene.ts";

const jwks = await startJwks();
const issuer = { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { account: "org" } };
const scene = await startScene({
  config: {
    server: { workers: 2, adminToken: ADMIN_TOKEN },
    identity: { issuers: [{ ...issuer, roleSource: "members" }] },
    roles: { Owner: ["*"], Viewer: [] },
    plans: { free: { default: true }, pro: {} },
  },
});
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

async function load(what: "accounts" | "users", body: string | Buffer, query = "", type = "text/csv") {
  const answer = await fetch(`${gateway.adminUrl}/admin/${what}/import${query}`, {
    method: "POST",
    headers: { authorization: `Bearer ${ADMIN_TOKEN}`, "content-type": type },
    body,
  });
  // Our own endpoint's answer or a problem.
  return { status: answer.status, body: (await answer.json()) as Readonly<Record<string, unknown>> };
}

/** Row and column of each fault. */
const faultsOf = ({ body }: Awaited<ReturnType<typeof load>>) =>
  rows(body, "faults").map(({ row, column }) => [row, column]);
const counts = (created: number, updated = 0, unchanged = 0) => ({
  status: 200,
  body: { rows: created + updated + unchanged, created, updated, unchanged },
});

test("accounts of a file with all that CSV allows: quotes, CRLF, a mark, empty lines, columns in any order", async () => {
  const file = [
    "\uFEFFname,external_id,state,plan,email",
    '"Comma, ""quotes""\r\nand lines",a-1,,pro,A@Example.com',
    "",
    "Zoë ,a-2, suspended ,,",
    ",a-3,,,",
    "",
  ].join("\r\n");
  expect(await load("accounts", file)).toMatchObject(counts(3));
  const shown = async (id: string) => (await operator.call("GET", `/admin/accounts/${id}`)).body;
  expect(await shown("a-1")).toMatchObject({ name: 'Comma, "quotes"\r\nand lines', plan: "pro", state: "active" });
  expect(await shown("a-2")).toMatchObject({ name: "Zoë", plan: null, state: "suspended" });
  expect(await shown("a-3")).toMatchObject({ name: "a-3" });
  const { body } = await operator.call("GET", "/admin/audit?action=account.created");
  expect(rows(body, "data")).toHaveLength(3);
});

test("every fault at once, each at its row and column, and nothing is done", async () => {
  const file = [
    "external_id,name,email,plan,state",
    "f-1,fine,,,",
    ",no id,,,",
    "acct_mine,reserved,,,",
    "f-1,again,,,",
    `f-2,${"n".repeat(201)},nobody,gold,deleted`,
    "f-3,too,few",
    "a-1,there,,,",
  ].join("\n");
  const answer = await load("accounts", file);
  expect(answer).toMatchObject({ status: 400, body: { error: "malformed_request", rule: "csv:rows", fault_count: 9 } });
  expect(faultsOf(answer)).toEqual([
    [3, "external_id"],
    [4, "external_id"],
    [5, "external_id"],
    [6, "name"],
    [6, "email"],
    [6, "plan"],
    [6, "state"],
    [7, null],
    [8, "external_id"],
  ]);
  expect((await operator.call("GET", "/admin/accounts/f-1")).status).toBe(404);
});

test.each([
  ["", [[1, null]]],
  ["\n\n", [[1, null]]],
  ["name\nx", [[1, "external_id"]]],
  ["external_id,extra\nx,y", [[1, "extra"]]],
  ["external_id,external_id\nx,y", [[1, "external_id"]]],
  ['external_id\n"open\nx', [[2, null]]],
  ['external_id\nq-1\nx"y"z', [[3, null]]],
])("the file %j is refused at its row", async (file, places) => {
  const answer = await load("accounts", file);
  expect(answer.status).toBe(400);
  expect(faultsOf(answer)).toEqual(places);
  expect((await operator.call("GET", "/admin/accounts/q-1")).status).toBe(404);
});

test.each([
  ["nothing but commas", ",".repeat(1_000_000), 1],
  ["a row of many cells", `external_id\n"a,\n"${",".repeat(1_000_000)}`, 2],
  ["a cell without an end", `external_id\n"${"x".repeat(1_000_000)}`, 2],
  ["many rows of two cells instead of one", `external_id\n${"a,b\n".repeat(200_000)}`, 100_002],
  ["many empty rows", `external_id\n${"\n".repeat(200_000)}`, 100_002],
])("%s: one fault, not millions of them", async (_what, file, row) => {
  const answer = await load("users", file);
  expect([answer.status, answer.body.fault_count, faultsOf(answer)]).toEqual([400, 1, [[row, null]]]);
});

test("what is no CSV, no UTF-8 or too large is refused", async () => {
  expect(await load("accounts", Buffer.from([0x65, 0xff, 0xfe]))).toMatchObject({ status: 400 });
  expect(await load("accounts", "{}", "", "application/json")).toMatchObject({
    status: 400,
    body: { rule: "body:type" },
  });
  const many = await load("accounts", `external_id\n${Array.from({ length: 100_002 }, (_, n) => n).join("\n")}`);
  expect([many.status, faultsOf(many)]).toEqual([400, [[100_002, null]]]);
  const large = await load("accounts", `external_id\n${"x\n".repeat(5.5 * 1024 * 1024)}`);
  expect(large).toMatchObject({ status: 413, body: { error: "body_too_large" } });
  expect((await load("accounts", "external_id\nx", "?onConflict=maybe")).status).toBe(400);
  expect((await load("accounts", "external_id\nx", "?what=1")).status).toBe(400);
});

test("ids that are there: a fault, left, or changed by what the row says, on the next request", async () => {
  await load("accounts", "external_id,name,plan\nc-1,One,pro\nc-2,Two,");
  const key = await operator.key({ account: "c-1", roles: ["Owner"] });
  const status = async () => (await askJson(`${gateway.url}/x`, { bearer: key.secret })).status;
  expect(await status()).toBe(200);
  const file = "external_id,name,state\nc-1,,suspended\nc-2,Two,\nc-3,,";
  expect(await load("accounts", file)).toMatchObject({ status: 400 });
  expect(await load("accounts", file, "?onConflict=update&dryRun=true")).toMatchObject(counts(1, 1, 1));
  expect(await status()).toBe(200);
  expect((await operator.call("GET", "/admin/accounts/c-3")).status).toBe(404);
  expect(await load("accounts", file, "?onConflict=skip")).toMatchObject(counts(1, 0, 2));
  expect(await status()).toBe(200);
  expect(await load("accounts", file, "?onConflict=update")).toMatchObject(counts(0, 1, 2));
  for (let n = 0; n < 4; n++) expect(await status()).toBe(403);
  expect((await operator.call("GET", "/admin/accounts/c-1")).body).toMatchObject({ name: "One", plan: "pro" });
  expect(await load("accounts", file, "?onConflict=update")).toMatchObject(counts(0, 0, 3));
});

test("users with their memberships: made, then changed, each in force on the next request", async () => {
  await load("accounts", "external_id\nteam-1\nteam-2");
  const first = "external_id,email,name,account,roles\nu-1,U1@Example.com,Una,team-1,Viewer\nu-2,,,,";
  expect(await load("users", first)).toMatchObject(counts(2));
  const token = (org: string) => jwks.token({ claims: { aud: "api", sub: "u-1", org } });
  const rolesIn = async (org: string) => {
    const { status, body } = await askJson(`${gateway.url}/_tollgate/auth/me`, { bearer: token(org) });
    return status === 200 ? body.roles : status;
  };
  expect(await rolesIn("team-1")).toEqual(["Viewer"]);
  const second = "external_id,account,roles\nu-1,team-1,Owner Viewer\nu-3,team-2,";
  expect(faultsOf(await load("users", second))).toEqual([[2, "external_id"]]);
  expect(await load("users", second, "?onConflict=update")).toMatchObject(counts(1, 1));
  for (let n = 0; n < 4; n++) expect(await rolesIn("team-1")).toEqual(["Owner", "Viewer"]);
  expect((await operator.call("GET", "/admin/users/u-1")).body).toMatchObject({ email: "u1@example.com", name: "Una" });
  await operator.call("DELETE", "/admin/users/u-3");
  const faulty = [
    "external_id,email,account,roles",
    "u-3,,,",
    `user_${"c".repeat(22)},,,`,
    "u-4,u1@example.com,nowhere,Nothing",
    "u-5,same@example.com,,Owner",
    "u-6,SAME@example.com,,",
  ].join("\n");
  expect(faultsOf(await load("users", faulty, "?onConflict=update"))).toEqual([
    [2, "external_id"],
    [3, "external_id"],
    [4, "email"],
    [4, "account"],
    [4, "roles"],
    [5, "roles"],
    [6, "email"],
  ]);
});

test("any texts come back as they were written, quoted", async () => {
  let number = 0;
  const text = fc
    .string({ minLength: 1, maxLength: 40, unit: "grapheme" })
    .filter((name) => name.trim() !== "" && !name.includes("\0"));
  await fc.assert(
    fc.asyncProperty(fc.array(text, { minLength: 1, maxLength: 5 }), async (names) => {
      const start = (number += names.length) - names.length;
      const lines = names.map((name, at) => `"p-${start + at}","${name.replaceAll('"', '""')}"`);
      expect(await load("accounts", `external_id,name\n${lines.join("\n")}`)).toMatchObject(counts(names.length));
      for (const [at, name] of names.entries())
        expect((await operator.call("GET", `/admin/accounts/p-${start + at}`)).body.name).toBe(name.trim());
    }),
    { numRuns: 25 },
  );
});

test("a hundred thousand rows are imported in bounded time, while requests of known callers are answered", async () => {
  const { line } = await operator.key({ roles: ["Owner"] });
  // Known to a worker is who was seen there: on a new connection, to whichever, a caller would have to be asked about.
  const workers = await connectionToEach(gateway, 2);
  const statuses = () => Promise.all(workers.map(async (worker) => (await worker.ask("GET", "/x", [line])).status));
  expect(await statuses()).toEqual([200, 200]);
  const lines = Array.from({ length: 100_000 }, (_, n) => `big-${n},Number ${n},n${n}@example.com`);
  const started = performance.now();
  const importing = load("accounts", `external_id,name,email\n${lines.join("\n")}`);
  for (let n = 0; n < 20; n++) expect(await statuses()).toEqual([200, 200]);
  for (const worker of workers) worker[Symbol.dispose]();
  expect(await importing).toMatchObject(counts(100_000));
  expect(performance.now() - started).toBeLessThan(60_000);
}, 90_000);

test("the command line imports, tries, and tells each fault", async () => {
  const write = (name: string, text: string | Buffer) => {
    const file = join(gateway.dir, name);
    writeFileSync(file, text);
    return file;
  };
  const good = write("good.csv", "external_id,email\ncli-1,cli@example.com\n");
  const tried = await gateway.cli("users", "import", good, "--dry-run");
  expect([tried.code, tried.stdout]).toEqual([
    0,
    "Nothing was done; it would be: 1 rows, 1 created, 0 updated, 0 unchanged\n",
  ]);
  const done = await gateway.cli("users", "import", good);
  expect([done.code, done.stdout]).toEqual([0, "1 rows, 1 created, 0 updated, 0 unchanged\n"]);
  const again = await gateway.cli("users", "import", good);
  expect([again.code, again.stderr]).toEqual([1, expect.stringContaining("row 2, external_id: It is there already")]);
  for (const [command, said] of [
    [["users", "list", "--search", "cli@"], /cli-1 +cli@example.com +active/],
    [["users", "suspend", "cli-1"], /User cli-1 is suspended/],
    [["users", "show", "cli-1"], /state +suspended/],
    [["users", "activate", "cli-1"], /is active/],
    [["users", "revoke-sessions", "cli-1"], /is signed out everywhere/],
    [["users", "create", "cli-2", "--name", "Two"], /User user_\w+ made/],
    [["users", "delete", "cli-2"], /is deleted/],
  ] as const) {
    const { code, stdout } = await gateway.cli(...command);
    expect([code, stdout]).toEqual([0, expect.stringMatching(said)]);
  }
  const none = await gateway.cli("users", "impersonate", "cli-1", "--reason", "r");
  expect([none.code, none.stderr]).toEqual([1, expect.stringContaining("preset: local")]);
  const latin = await gateway.cli("accounts", "import", write("latin.csv", Buffer.from([0xe9])));
  expect([latin.code, latin.stderr]).toEqual([1, expect.stringContaining("is not UTF-8")]);
});
