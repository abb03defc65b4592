/** Plans for a time on real SQLite and a fake clock: each term ends once, whatever the clock does and whoever changes the account meanwhile. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Accounts } from "#control-plane/accounts/accounts.ts";
import { AccountLife } from "#control-plane/accounts/account-life.ts";
import { PlanTerms } from "#control-plane/accounts/plan-terms.ts";
import type { Invalidation } from "#shared/messages.ts";
import { type KeySite, openKeySite } from "./key-site.ts";

const START = Date.UTC(2026, 0, 31);
const DAY = 86_400_000;

let site: KeySite;
let accounts: Accounts;
let terms: PlanTerms;
let announced: Invalidation[];

beforeEach(async () => {
  vi.useFakeTimers({ now: START, toFake: ["Date"] });
  site = await openKeySite();
  announced = [];
  const announce = async (what: Invalidation) => void announced.push(what);
  accounts = new Accounts(site.db, site.audit, announce, { move: () => Promise.resolve() });
  terms = new PlanTerms({ db: site.db, audit: site.audit, announce });
});
afterEach(async () => {
  vi.useRealTimers();
  await site[Symbol.asyncDispose]();
});

async function ends(account: string): Promise<number> {
  return (await site.audit.list({ account, action: "account.plan_ended" }, 100)).length;
}

async function eventsOf(account: string): Promise<number> {
  return (await site.db.selectFrom("events").select("id").where("account", "=", account).execute()).length;
}

async function withTerm(days: number, planAfter: string | null = null): Promise<string> {
  const { id } = await accounts.create({ name: "A", externalId: null, plan: "pro" });
  await accounts.change(id, { planUntilMs: START + days * DAY, planAfter });
  announced.length = 0;
  return id;
}

test("a term ends at its time and not before, once, however often the clock comes by", async () => {
  const id = await withTerm(30, "free");
  vi.setSystemTime(START + 30 * DAY - 1);
  await terms.tick();
  expect([(await accounts.byId(id))?.plan, announced]).toEqual(["pro", []]);
  vi.setSystemTime(START + 30 * DAY);
  await Promise.all([terms.tick(), terms.tick(), terms.tick()]);
  expect(await accounts.byId(id)).toMatchObject({ plan: "free", planUntilMs: null, planAfter: null });
  expect(announced).toEqual([{ kind: "batch", accounts: [id], keys: [] }]);
  vi.setSystemTime(START);
  await terms.tick();
  vi.setSystemTime(START + 400 * DAY);
  await terms.tick();
  expect([await ends(id), await eventsOf(id)]).toEqual([1, 1]);
});

test("more of them than are ended at a time, each once, the ones of later days not at all", async () => {
  const over = await Promise.all(Array.from({ length: 450 }, () => withTerm(1)));
  const later = await withTerm(3);
  vi.setSystemTime(START + 2 * DAY);
  await terms.tick();
  const { rows } = { rows: await site.db.selectFrom("accounts").select(["id", "plan"]).execute() };
  expect(rows.filter(({ plan }) => plan === "pro").map(({ id }) => id)).toEqual([later]);
  const told = announced.flatMap((what) => (what.kind === "batch" ? what.accounts : []));
  expect([told.length, new Set(told)]).toEqual([450, new Set(over)]);
});

test("a term that is made longer at the moment it ends is either longer or over, never both", async () => {
  for (let round = 0; round < 20; round++) {
    const id = await withTerm(1, "free");
    vi.setSystemTime(START + DAY);
    const longer = { plan: "pro", planUntilMs: START + 9 * DAY, planAfter: "free" };
    await (round % 2 === 0
      ? Promise.all([terms.tick(), accounts.change(id, longer)])
      : Promise.all([accounts.change(id, longer), terms.tick()]));
    expect(await accounts.byId(id)).toMatchObject({ plan: "pro", planUntilMs: START + 9 * DAY });
    expect(await ends(id)).toBe(await eventsOf(id));
    vi.setSystemTime(START);
  }
});

test("the same plan after it is an end all the same, and a deleted account's term ends too", async () => {
  const same = await withTerm(1, "pro");
  const gone = await withTerm(1);
  const life = new AccountLife(site.db, site.audit, () => Promise.resolve());
  await life.delete(gone, null);
  vi.setSystemTime(START + DAY);
  await terms.tick();
  expect(await accounts.byId(same)).toMatchObject({ plan: "pro", planUntilMs: null });
  expect([await ends(same), await eventsOf(same)]).toEqual([1, 1]);
  expect(await life.restore(gone)).toMatchObject({ state: "active", plan: null, planUntilMs: null });
});

test("a key that was made while its account was deleted does not come back with it", async () => {
  const life = new AccountLife(site.db, site.audit, () => Promise.resolve());
  await life.delete(site.account, null);
  const { key } = await site.key();
  await life.restore(site.account);
  expect(await site.keys.byId(key.id)).toMatchObject({ revoked: true });
});
