/** One change of thousands of accounts of a real gateway: as the dry run said, all or nothing, each with its entry, in force at once. */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sql } from "kysely";
import { afterAll, describe, expect, test } from "vitest";
import { openDatabase } from "#control-plane/store/database.ts";
import { ADMIN_TOKEN, askJson, rows, startScene } from "#test/support/scene.ts";
import { crashBulkDeletion } from "./bulk-crash.ts";

const COUNT = 10_000;
const config = {
  meters: { api_calls: {} },
  plans: {
    free: { default: true, quotas: { api_calls: { limit: 0, per: "month", exceed: "credits", credits: 1 } } },
    pro: {},
  },
  server: { workers: 2, adminToken: ADMIN_TOKEN },
};

/** A data folder with so many accounts of the external ids many-0, many-1, … */
async function folderOf(count: number): Promise<string> {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-bulk-"));
  mkdirSync(join(dir, "data"));
  const db = await openDatabase(join(dir, "data", "tollgate.db"));
  await sql`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i + 1 < ${count})
    INSERT INTO accounts (id, external_id, name, state, plan, created_at, email)
    SELECT 'acct_' || hex(randomblob(11)), 'many-' || i, 'Many ' || i, 'active', NULL, 1000 + i, 'many' || i || '@x.example' FROM n`.execute(
    db,
  );
  await db.destroy();
  return dir;
}

const dir = await folderOf(COUNT);
const scene = await startScene({ config, gateway: { dir } });
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  rmSync(dir, { recursive: true, force: true });
});

type Json = Readonly<Record<string, unknown>>;
const bulk = (body: Json) => operator.call("POST", "/admin/accounts/bulk", body);
const countOf = async (query: string) =>
  (await operator.call("GET", `/admin/accounts?limit=1&count=true&${query}`)).body.total;
const use = (bearer: string) => askJson(`${gateway.url}/x`, { bearer });
const audited = async (query: string) => rows((await operator.call("GET", `/admin/audit?${query}`)).body, "data");
const many = { search: "many" };

describe("with 10,000 accounts", () => {
  test("a dry run, which is the default, says what would change and changes nothing", async () => {
    const before = await audited("limit=1");
    const answer = await bulk({ filter: many, action: "suspend" });
    expect(answer).toMatchObject({ status: 200, body: { matched: COUNT, changed: COUNT, dryRun: true } });
    expect(answer.body.sample).toHaveLength(10);
    expect(await countOf("state=suspended")).toBe(0);
    expect(await audited("limit=1")).toEqual(before);
  });

  test("without what the dry run said, or when something else matches by now, nothing is done", async () => {
    const wish = { filter: many, action: "suspend", dryRun: false };
    expect(await bulk(wish)).toMatchObject({ status: 400, body: { error: "malformed_request" } });
    expect(await bulk({ ...wish, expected: COUNT - 1 })).toMatchObject({
      status: 409,
      body: { error: "conflict", matched: COUNT },
    });
    expect(await bulk({ ...wish, expected: COUNT, max: 100 })).toMatchObject({ status: 409, body: { matched: COUNT } });
    expect(await bulk({ filter: many, action: "suspend", max: 9999 })).toMatchObject({
      status: 409,
      body: { matched: COUNT },
    });
    expect(await countOf("state=suspended")).toBe(0);
  });

  test("all are suspended at once, while others are served, each with its entry, and let in again", async () => {
    const member = await operator.key({ account: "many-77" });
    const other = await operator.key({ account: await operator.account({ plan: "pro" }) });
    await operator.call("POST", "/admin/accounts/many-77/credits", { amount: 1000 });
    expect([(await use(member.secret)).status, (await use(other.secret)).status]).toEqual([200, 200]);
    const done = bulk({ filter: many, action: "suspend", reason: "Spring cleaning", dryRun: false, expected: COUNT });
    const meanwhile = await Promise.all(Array.from({ length: 50 }, () => use(other.secret)));
    expect(await done).toMatchObject({ status: 200, body: { matched: COUNT, changed: COUNT, dryRun: false } });
    expect(new Set(meanwhile.map(({ status }) => status))).toEqual(new Set([200]));
    expect(await use(member.secret)).toMatchObject({ status: 403, body: { error: "account_suspended" } });
    expect(await countOf("state=suspended")).toBe(COUNT);
    expect(await audited(`target=${member.account}&action=account.suspended`)).toMatchObject([
      {
        before: { state: "active" },
        after: { state: "suspended", reason: "Spring cleaning" },
        actor: { kind: "operator" },
      },
    ]);
    expect(await audited("action=accounts.bulk")).toMatchObject([
      { after: { action: "suspend", filter: many, matched: COUNT, changed: COUNT, reason: "Spring cleaning" } },
    ]);
    const { body } = await operator.call("GET", "/admin/audit/verify");
    expect(body).toMatchObject({ faults: [] });
    expect(body.entries).toBeGreaterThan(COUNT);
    // What is so already is not changed again.
    await operator.call("POST", "/admin/accounts/many-77/activate");
    expect(await bulk({ filter: many, action: "suspend" })).toMatchObject({ body: { matched: COUNT, changed: 1 } });
    expect(
      await bulk({ filter: { state: "suspended" }, action: "activate", dryRun: false, expected: COUNT - 1 }),
    ).toMatchObject({ body: { changed: COUNT - 1 } });
    expect((await use(member.secret)).status).toBe(200);
  });

  test("credits are granted once, however often the same is asked for", async () => {
    const member = await operator.key({ account: "many-5" });
    expect((await use(member.secret)).status).toBe(402);
    const wish = {
      filter: many,
      action: "grantCredits",
      credits: { amount: 3, idempotencyKey: "spring" },
      dryRun: false,
      expected: COUNT,
    };
    expect(await bulk(wish)).toMatchObject({ body: { changed: COUNT } });
    expect((await use(member.secret)).status).toBe(200);
    expect(await bulk(wish)).toMatchObject({ body: { changed: 0 } });
    const { body } = await operator.call("GET", "/admin/accounts/many-5/credits");
    expect(rows(body, "data")).toMatchObject([{ amount: 3, source: "admin" }]);
  });

  test("a plan for a time and longer trials", async () => {
    const ids = ["many-1", "many-2", "nobody"];
    const plan = { filter: { ids }, action: "setPlan", plan: "pro", planDuration: "30d", planAfter: "free" };
    expect(await bulk({ ...plan, dryRun: false, expected: 2 })).toMatchObject({ body: { matched: 2, changed: 2 } });
    const shown = (await operator.call("GET", "/admin/accounts/many-1")).body;
    expect(shown).toMatchObject({ plan: "pro", planAfter: "free", currentPlan: "pro" });
    expect(
      await bulk({ filter: { plan: "pro", search: "many" }, action: "extendTrial", extendTrial: "7d" }),
    ).toMatchObject({ body: { matched: 2, changed: 2 } });
  });

  test("a deletion takes keys along, and skips what is deleted", async () => {
    const member = await operator.key({ account: "many-9" });
    const filter = { ids: ["many-9", "many-10"] };
    expect(await bulk({ filter, action: "delete", dryRun: false, expected: 2 })).toMatchObject({
      body: { changed: 2 },
    });
    expect((await use(member.secret)).status).toBe(401);
    expect(await audited(`target=${member.id}&limit=1`)).toMatchObject([{ action: "key.revoked" }]);
    expect(await bulk({ filter: { ...filter, state: "deleted" }, action: "activate" })).toMatchObject({
      body: { matched: 2, changed: 0 },
    });
  });
});

test.each([
  {},
  { filter: {} },
  { action: "suspend" },
  { filter: {}, action: "explode" },
  { filter: {}, action: "__proto__" },
  { filter: { name: "x" }, action: "suspend" },
  { filter: { ids: [] }, action: "suspend" },
  { filter: { ids: "x" }, action: "suspend" },
  { filter: {}, action: "suspend", plan: "pro" },
  { filter: {}, action: "setPlan" },
  { filter: {}, action: "setPlan", plan: "nope" },
  { filter: {}, action: "setPlan", plan: "pro", credits: { amount: 1 } },
  { filter: {}, action: "extendTrial" },
  { filter: {}, action: "grantCredits" },
  { filter: {}, action: "grantCredits", credits: { amount: 0 } },
  { filter: {}, action: "suspend", max: 1e9 },
  { filter: {}, action: "suspend", dryRun: "no" },
  { filter: {}, action: "suspend", expected: -1 },
])("refuses %j", async (body) => {
  expect(await bulk(body)).toMatchObject({ status: 400, body: { error: "malformed_request" } });
});

test("a crash at any time leaves all of them changed or none", async () => {
  await crashBulkDeletion({
    name: "kills of a bulk deletion",
    dir: await folderOf(3000),
    count: 3000,
    config,
    path: "/admin/accounts/bulk",
    filter: many,
    deleted: (number) => {
      const deleted = number("accounts WHERE deleted_ms IS NOT NULL");
      expect(number("audit_log WHERE action = 'account.deleted'")).toBe(deleted);
      return deleted;
    },
  });
}, 120_000);
