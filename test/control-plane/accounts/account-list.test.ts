/** Lists of accounts on real SQLite: as a plain model has them, page by page, whatever is asked; and quick with 100,000 of them. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { sql } from "kysely";
import { afterAll, afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Account } from "#control-plane/accounts/account.ts";
import {
  ACCOUNT_SORTS,
  type AccountFilter,
  AccountList,
  type AccountSort,
  type Place,
  placeOf,
} from "#control-plane/accounts/account-list.ts";
import { type Database, openDatabase } from "#control-plane/store/database.ts";
import { settingsOf } from "../../config/faults-of.ts";

const settings = settingsOf(
  "version: 1\nupstreams: {}\nroutes: []\nplans: { free: { default: true }, pro: {}, team: {} }\n",
);

interface Made {
  readonly id: string;
  readonly externalId: string | null;
  readonly name: string;
  readonly email: string | null;
  readonly state: Account["state"];
  readonly plan: string | null;
  readonly createdAtMs: number;
  readonly seenAtMs: number | null;
}

async function open(): Promise<{ readonly db: Database; readonly root: string; readonly list: AccountList }> {
  const root = mkdtempSync(join(tmpdir(), "tollgate-list-"));
  const db = await openDatabase(join(root, "tollgate.db"));
  return { db, root, list: new AccountList(db, () => settings) };
}

async function insert(db: Database, { state, ...made }: Made): Promise<void> {
  await db
    .insertInto("accounts")
    .values({
      id: made.id,
      external_id: made.externalId,
      name: made.name,
      email: made.email,
      state: state === "deleted" ? "active" : state,
      deleted_ms: state === "deleted" ? 1 : null,
      plan: made.plan,
      created_at: made.createdAtMs,
      seen_ms: made.seenAtMs,
    })
    .execute();
}

const ascii = (text: string) => text.replaceAll(/[A-Z]/g, (letter) => letter.toLowerCase());
const words = ["a", "A", "ab", "Ab", "b", "%", "_", "\\", "a%b", "ä", "Ä", "'", "x_y", "acct"];
const word = fc.constantFrom(...words);

const account = fc.record({
  name: word,
  email: fc.option(word.map((text) => `${text}@x.example`)),
  state: fc.constantFrom<Account["state"]>("active", "suspended", "deleted"),
  plan: fc.constantFrom(null, "free", "pro", "gone"),
  createdAtMs: fc.integer({ min: 1, max: 4 }),
  seenAtMs: fc.option(fc.integer({ min: 1, max: 4 })),
  isExternal: fc.boolean(),
});

const ask = fc.record(
  {
    search: fc.oneof(word, fc.constantFrom("_1", "B@X", "ext-2")),
    state: fc.constantFrom<Account["state"]>("active", "suspended", "deleted"),
    plan: fc.constantFrom("free", "pro", "gone", "team", "__proto__"),
    ids: fc.subarray(["acct_0", "acct_1", "ext-2", "ext-3", "nobody"]),
  },
  { requiredKeys: [] },
);

/** What the filter says, in so many words. */
function isMatch(made: Made, { search, state, plan, ids }: AccountFilter): boolean {
  const texts = [made.id, made.name, made.externalId ?? "", made.email ?? ""].map(ascii);
  const current = made.plan !== null && ["free", "pro", "team"].includes(made.plan) ? made.plan : "free";
  const isPlan = plan === undefined || current === plan || (plan !== "free" && made.plan === plan);
  return (
    (state === undefined ? made.state !== "deleted" : made.state === state) &&
    (search === undefined || texts.some((text) => text.includes(ascii(search)))) &&
    isPlan &&
    (ids === undefined || ids.includes(made.id) || (made.externalId !== null && ids.includes(made.externalId)))
  );
}

function compare(a: Made, b: Made, sort: AccountSort): number {
  const value = (made: Made) =>
    ({ created: made.createdAtMs, name: ascii(made.name), seen: made.seenAtMs ?? 0 })[sort.replace("-", "")] ?? 0;
  const order = value(a) < value(b) ? -1 : value(a) > value(b) ? 1 : a.id < b.id ? -1 : 1;
  return sort.startsWith("-") ? -order : order;
}

async function allPages(list: AccountList, filter: AccountFilter, sort: AccountSort, count: number) {
  const ids: string[] = [];
  for (let after: Place | null = null; ; ) {
    const page: readonly Account[] = await list.page({ filter, sort, count, after });
    ids.push(...page.map(({ id }) => id));
    const last = page.at(-1);
    if (last === undefined) return ids;
    after = placeOf(last, sort);
  }
}

describe("as the model has it", () => {
  let site: Awaited<ReturnType<typeof open>>;
  beforeEach(async () => {
    site = await open();
  });
  afterEach(async () => {
    await site.db.destroy();
    rmSync(site.root, { recursive: true, force: true });
  });

  test("every page of every filter in every order", async () => {
    const sorts = fc.constantFrom(...ACCOUNT_SORTS);
    const property = fc.asyncProperty(
      fc.array(account, { maxLength: 25 }),
      fc.array(fc.tuple(ask, sorts, fc.integer({ min: 1, max: 7 })), { minLength: 1, maxLength: 8 }),
      async (accounts, asked) => {
        await site.db.deleteFrom("accounts").execute();
        const made = accounts.map(({ isExternal, ...rest }, number) => ({
          ...rest,
          id: `acct_${number}`,
          externalId: isExternal ? `ext-${number}` : null,
        }));
        for (const one of made) await insert(site.db, one);
        for (const [filter, sort, count] of asked) {
          const wanted = made.filter((one) => isMatch(one, filter)).sort((a, b) => compare(a, b, sort));
          expect(await allPages(site.list, filter, sort, count)).toEqual(wanted.map(({ id }) => id));
          expect(await site.list.count(filter)).toBe(wanted.length);
        }
      },
    );
    await fc.assert(property, { numRuns: process.env.TOLLGATE_LONG === "1" ? 150 : 40 });
  }, 60_000);

  test("an account that comes or goes between two pages makes no other one come twice or be left out", async () => {
    const named = (name: string): Made => ({
      id: `acct_${name}`,
      externalId: null,
      name,
      email: null,
      state: "active",
      plan: null,
      createdAtMs: 1,
      seenAtMs: null,
    });
    for (const name of ["b", "d", "f", "h"]) await insert(site.db, named(name));
    const first = await site.list.page({ filter: {}, sort: "name", count: 2, after: null });
    const last = first.at(-1);
    if (last === undefined) throw new Error("No page");
    await insert(site.db, named("a"));
    await insert(site.db, named("e"));
    await site.db.deleteFrom("accounts").where("name", "=", "d").execute();
    const second = await site.list.page({ filter: {}, sort: "name", count: 9, after: placeOf(last, "name") });
    expect(second.map(({ name }) => name)).toEqual(["e", "f", "h"]);
  });
});

describe("with 100,000 accounts", async () => {
  const site = await open();
  await sql`WITH RECURSIVE n(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM n WHERE i < 99999)
    INSERT INTO accounts (id, external_id, name, state, plan, created_at, email, seen_ms)
    SELECT 'acct_' || hex(randomblob(11)), 'ext-' || i, 'Name ' || hex(randomblob(4)) || i,
      CASE WHEN i % 1000 = 0 THEN 'suspended' ELSE 'active' END,
      CASE i % 3 WHEN 0 THEN NULL WHEN 1 THEN 'free' ELSE 'pro' END,
      1000 * i, hex(randomblob(4)) || '@example.com', CASE WHEN i % 2 THEN i END FROM n`.execute(site.db);
  afterAll(async () => {
    await site.db.destroy();
    rmSync(site.root, { recursive: true, force: true });
  });

  const filters: readonly AccountFilter[] = [
    {},
    { search: "zzz nobody" },
    { search: "ACCT_" },
    { state: "suspended" },
    { state: "deleted" },
    { plan: "team" },
    { plan: "free", search: "99" },
  ];
  const asked = filters.flatMap((filter) => ACCOUNT_SORTS.map((sort) => ({ filter, sort })));

  test.each(asked)("a page of $filter by $sort takes no more than 50 ms", async ({ filter, sort }) => {
    const times: number[] = [];
    // Of this thread's time on a processor, the best of several: other work on this machine is not what is measured.
    while (times.length < 8 && Math.min(...times) > 50) {
      const [first] = await site.list.page({ filter, sort, count: 1, after: null });
      const after = first === undefined ? null : placeOf(first, sort);
      const began = process.threadCpuUsage();
      await site.list.page({ filter, sort, count: 101, after });
      const { user, system } = process.threadCpuUsage(began);
      times.push((user + system) / 1000);
    }
    expect(Math.min(...times)).toBeLessThan(50);
  });
});
