/** Grants of credits: made once, listed with what is left, voided, and every change told to the workers. */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import type { GrantState } from "#control-plane/credits/grants.ts";
import { UsageSite } from "#test/control-plane/metering/usage-site.ts";

const HOUR_MS = 3_600_000;
/** 24 November 2026, 09:20 UTC. */
const AT_MS = Date.UTC(2026, 10, 24, 9, 20);
const YAML = `meters: { calls: {} }
plans: { free: { default: true, quotas: { calls: { limit: 0, per: day, exceed: credits } } } }
`;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

let ids = 0;
function use(site: UsageSite, value: number) {
  return site.report([{ id: `e${++ids}`, source: "s", type: "calls", subject: "A", data: { value } }]);
}

function shown({ state, used, remaining }: GrantState) {
  return [state, used, remaining];
}

test("a grant is usable from its start to its end, and what is burnt of it is used", async () => {
  await using site = await UsageSite.open(YAML);
  const { id } = await site.account();
  const { grant } = await site.give(id, { amount: 10, startMs: AT_MS + HOUR_MS, expiresMs: AT_MS + 2 * HOUR_MS });
  const { grants } = site.services;
  const state = async () => (await grants.list(id, 10, null)).map(shown);
  expect(await state()).toEqual([["scheduled", 0, 10]]);
  expect(await grants.left(id)).toMatchObject({ balance: 0, grants: [{ remaining: 10 }] });
  vi.setSystemTime(AT_MS + HOUR_MS);
  await use(site, 4);
  expect(await state()).toEqual([["active", 4, 6]]);
  expect(await grants.left(id)).toMatchObject({ balance: 6 });
  vi.setSystemTime(AT_MS + 2 * HOUR_MS);
  await use(site, 4);
  expect(await state()).toEqual([["expired", 4, 0]]);
  expect(await grants.left(id)).toEqual({ balance: 0, grants: [] });
  expect(site.burnt(grant.row.id)).toBe(4);
});

test("workers are given what can be burnt now or later, and what a clock that jumped back could find", async () => {
  await using site = await UsageSite.open(YAML);
  const { id } = await site.account();
  const over = await site.give(id, { startMs: 0, expiresMs: AT_MS - 27 * HOUR_MS });
  const lately = await site.give(id, { startMs: 0, expiresMs: AT_MS - HOUR_MS });
  const used = await site.give(id, { amount: 5, priority: 1 });
  const later = await site.give(id, { startMs: AT_MS + HOUR_MS });
  const gone = await site.give(id);
  const now = await site.give(id, { priority: 2 });
  await use(site, 5);
  await site.services.grants.void(gone.grant.row.id);
  const found = (await site.services.grants.usable(id)).map((grant) => grant.id);
  expect(found.toSorted()).toEqual([lately, later, now].map(({ grant }) => grant.row.id).toSorted());
  expect(found).not.toContain(over.grant.row.id);
  expect(found).not.toContain(used.grant.row.id);
});

test("the same idempotency key makes one grant, for each account, and another wish with it is a conflict", async () => {
  await using site = await UsageSite.open(YAML);
  const [one, other] = [await site.account("A"), await site.account("B")];
  const wish = { amount: 7, idempotencyKey: "pi_1", note: "Top up", source: "purchase" } as const;
  const first = await site.give(one.id, wish);
  vi.setSystemTime(AT_MS + HOUR_MS);
  const again = await site.give(one.id, wish);
  expect([first.made, again.made, again.grant.row.id]).toEqual([true, false, first.grant.row.id]);
  await expect(site.give(one.id, { ...wish, amount: 8 })).rejects.toThrow(ConflictError);
  await expect(site.give(one.id, { ...wish, note: null })).rejects.toThrow("pi_1 was used for another grant");
  expect((await site.give(other.id, wish)).made).toBe(true);
  expect(await site.services.grants.list(one.id, 10, null)).toHaveLength(1);
});

test("many at once with one key are one grant", async () => {
  await using site = await UsageSite.open(YAML);
  const { id } = await site.account();
  const made = await Promise.all(Array.from({ length: 20 }, () => site.give(id, { idempotencyKey: "k" })));
  expect(made.filter((one) => one.made)).toHaveLength(1);
  expect(new Set(made.map(({ grant }) => grant.row.id)).size).toBe(1);
});

test("what is left of a void grant is worth nothing, once and for ever; what was burnt stays burnt", async () => {
  await using site = await UsageSite.open(YAML);
  const { id } = await site.account();
  const { grant } = await site.give(id, { amount: 10 });
  await use(site, 4);
  const { grants } = site.services;
  const first = await grants.void(grant.row.id);
  vi.setSystemTime(AT_MS + HOUR_MS);
  const again = await grants.void(grant.row.id);
  expect([first, again].map((one) => one && shown(one))).toEqual([
    ["void", 4, 0],
    ["void", 4, 0],
  ]);
  expect(again?.row.voided_ms).toBe(AT_MS);
  await use(site, 3);
  expect(site.burnt(grant.row.id)).toBe(4);
  expect(await grants.void("grant_none")).toBeNull();
});

test("every grant and every voiding is told to the workers, what changes nothing is not", async () => {
  await using site = await UsageSite.open(YAML);
  const { id } = await site.account();
  site.announced.length = 0;
  const { grant } = await site.give(id, { idempotencyKey: "k" });
  expect(site.announced).toEqual([id]);
  await site.give(id, { idempotencyKey: "k" });
  await site.services.grants.usable(id);
  expect(site.announced).toEqual([id]);
  await site.services.grants.void(grant.row.id);
  await site.services.grants.void(grant.row.id);
  expect(site.announced).toEqual([id, id]);
});

test("pages follow the order of creation", async () => {
  await using site = await UsageSite.open(YAML);
  const { id } = await site.account();
  const made: string[] = [];
  for (let count = 0; count < 7; count++) {
    vi.setSystemTime(AT_MS + Math.floor(count / 2) * 1000);
    made.push((await site.give(id)).grant.row.id);
  }
  const found: string[] = [];
  for (let after: string | null = null; found.length < 7; after = found.at(-1) ?? null) {
    const page = await site.services.grants.list(id, 3, after);
    found.push(...page.map(({ row }) => row.id));
  }
  expect(found.toSorted()).toEqual(made.toSorted());
  expect(new Set(found.slice(0, 2))).toEqual(new Set(made.slice(0, 2)));
});
