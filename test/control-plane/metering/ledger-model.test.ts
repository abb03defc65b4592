/**
 * The ledger against a plain list of charges, through folds at any moment, crashes, reloads that add and drop shapes of windows,
 * moved anchors, and records of both versions: minute rows, windows, gauges, grants, events and live counters come to the same.
 */
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { minuteOf, windowAt } from "#core/windows.ts";
import { counterName, holderOf } from "#shared/counter-shapes.ts";
import { settingsOf } from "#test/config/faults-of.ts";
import { type Random, seededRandom } from "#test/support/random.ts";
import { JournalSite } from "./journal-site.ts";
import { World } from "./ledger-world.ts";

const ROUNDS = process.env.TOLLGATE_LONG === "1" ? 600 : 25;
const STEPS = 40;
const HOUR_MS = 3_600_000;
const ACCOUNTS = ["acct_a", "acct_b"] as const;
const GRANTS = ["grant_1", "grant_2"] as const;

const BASE = `version: 1
upstreams: { app: { targets: [http://127.0.0.1:9000] } }
routes: [{ name: all, upstream: app, match: { path: "/**" } }]
meters:
  calls: { aggregate: count }
  tokens: {}
  peak: { aggregate: max, from: "response.header:x-peak" }
  seats: { aggregate: last }
  storage: { aggregate: last, from: "response.header:x-storage" }
plans:
  free:
    default: true
    quotas:
      calls: [{ limit: 10, per: hour }, { limit: 6, per: day, by: key }]
      peak: { limit: 4, per: day, thresholds: [50, 100] }
      seats: { limit: 10, per: lifetime, thresholds: [] }
      tokens: [{ limit: 1000, per: billing-period, thresholds: [] }]
`;
const FILES = [
  BASE,
  `${BASE}  pro: { quotas: { calls: [{ limit: 5, per: minute }, { limit: 100, per: month, by: user, timeZone: Europe/Berlin }] } }
`,
  `${BASE}  pro: { quotas: { calls: { limit: 100, per: month, by: user, timeZone: Europe/Berlin }, tokens: { limit: 1, per: billing-period, by: user, timeZone: America/New_York } } }
`,
] as const;
const CHOICES = [settingsOf(FILES[0]), settingsOf(FILES[1]), settingsOf(FILES[2])] as const;

/** February ends within a round: billing periods of anchors from the 28th on begin alike, and end on different days. */
const START_MS = Date.UTC(2027, 1, 27, 18);
const clock = { nowMs: START_MS };

beforeEach(() => {
  clock.nowMs = START_MS;
  vi.spyOn(Date, "now").mockImplementation(() => clock.nowMs);
});
afterEach(() => {
  vi.restoreAllMocks();
});

async function newWorld(site: JournalSite, random: Random): Promise<World> {
  for (const id of ACCOUNTS) {
    await site.db
      .insertInto("accounts")
      .values({ id, external_id: null, name: id, state: "active", plan: null, created_at: START_MS })
      .execute();
  }
  for (const id of GRANTS) {
    const times = { start_ms: 0, expires_ms: null, created_ms: 0 };
    await site.db
      .insertInto("credit_grants")
      .values({ id, account: ACCOUNTS[0], amount: 1000, priority: 1, ...times, source: "admin", note: null })
      .execute();
  }
  return new World({ site, random, choices: CHOICES, accounts: ACCOUNTS, grants: GRANTS }, clock);
}

/** Rows of the ledger from the list of charges: `id` → [units, requests]. */
function expectedRows(world: World): Map<string, [number, number]> {
  const rows = new Map<string, [number, number]>();
  const latest = new Map<string, number>();
  for (const one of world.charges) {
    for (const { meter, op, units } of one.units) {
      const id = JSON.stringify([one.account, meter, minuteOf(one.atMs), one.route, one.key, one.user, one.status, op]);
      const row = rows.get(id);
      const requests = (row?.[1] ?? 0) + (one.first ? 1 : 0);
      if (op === "add") rows.set(id, [(row?.[0] ?? 0) + units, requests]);
      else if (op === "max") rows.set(id, [Math.max(row?.[0] ?? units, units), requests]);
      else if (one.atMs >= (latest.get(id) ?? 0)) rows.set(id, [units, requests]);
      else rows.set(id, [row?.[0] ?? 0, requests]);
      latest.set(id, Math.max(latest.get(id) ?? 0, one.atMs));
    }
  }
  return rows;
}

async function compareRows(site: JournalSite, world: World): Promise<void> {
  const rows = await site.db.selectFrom("usage").selectAll().execute();
  const found = rows.map((row): [string, [number, number]] => [
    JSON.stringify([row.account, row.meter, row.minute, row.route, row.key, row.user, row.status, row.op]),
    [row.units, row.requests],
  ]);
  expect(new Map(found.toSorted())).toEqual(new Map([...expectedRows(world)].toSorted()));
}

/** Every window that any charge is in, by every shape: the store's sum, and the live counter where it is seeded. Returns how many were live. */
function compareWindows(world: World): number {
  const { ledger, counters } = world;
  let live = 0;
  const differences: unknown[] = [];
  for (const id of ACCOUNTS) {
    const account = ledger.windows.account(id);
    for (const shape of ledger.counting.shapes()) {
      const places = new Map(
        world.charges
          .filter((one) => one.account === id)
          .flatMap((one) => {
            const holder = holderOf(shape.by, one.key, one.user);
            const window = windowAt(shape.window, one.atMs, account.anchorMs);
            return holder === null ? [] : [[`${window.startMs} ${holder}`, { holder, window }]];
          }),
      );
      for (const { holder, window } of places.values()) {
        const expected = world.used(id, shape, holder, window);
        const stored = ledger.windows.used(account, shape, holder, window, clock.nowMs).units;
        if (stored !== expected) differences.push({ id, shape: shape.key, holder, window, stored, expected });
        const backMs = window.endMs - window.startMs <= HOUR_MS ? HOUR_MS : 26 * HOUR_MS;
        if (!ledger.counting.isSeen(id) || window.endMs < clock.nowMs - backMs + HOUR_MS / 2) continue;
        const counted = counters.used(counters.key(counterName(id, shape.key, holder, window), window));
        if (counted !== expected) differences.push({ id, shape: shape.key, holder, window, counted, expected });
        live++;
      }
    }
  }
  expect(differences).toEqual([]);
  return live;
}

async function compareOthers(site: JournalSite, world: World): Promise<void> {
  const grants = await site.db.selectFrom("credit_grants").select(["id", "used"]).execute();
  const burnt = (id: string) =>
    world.charges
      .flatMap(({ burns }) => burns)
      .reduce((sum, { grant, credits }) => sum + (grant === id ? credits : 0), 0);
  expect(grants).toEqual(grants.map(({ id }) => ({ id, used: burnt(id) })));
  const gauges = await site.db.selectFrom("gauges").selectAll().execute();
  const values = gauges.map(({ account, holder, meter }) => {
    const own = world.charges.filter(
      (one) =>
        one.account === account &&
        [holderOf("account", "", ""), holderOf("key", one.key, ""), holderOf("user", "", one.user)].includes(holder),
    );
    const set = own.flatMap((one) =>
      one.units.flatMap((line) =>
        line.op === "set" && line.meter === meter ? [{ atMs: one.atMs, value: line.units }] : [],
      ),
    );
    return set.toSorted((one, other) => one.atMs - other.atMs).at(-1)?.value;
  });
  expect(gauges.map(({ value }) => value)).toEqual(values);
}

/** Sums that only grow: a mark has its event if and only if the sum is beyond it. */
async function compareEvents(site: JournalSite, world: World): Promise<void> {
  const expected = new Set<string>();
  const settings = CHOICES[0];
  for (const shape of world.ledger.counting.shapes()) {
    const quota = (settings.plans.free?.quotas[shape.meter] ?? []).find(
      ({ by, window }) => by === shape.by && window.kind === shape.window.kind,
    );
    if (quota === undefined) continue;
    for (const one of world.charges) {
      const holder = holderOf(shape.by, one.key, one.user);
      if (holder === null) continue;
      const window = windowAt(shape.window, one.atMs, 0);
      const used = world.used(one.account, shape, holder, window);
      for (const percent of quota.thresholds) {
        const limit = quota.limit ?? 0;
        if (used * 100 >= limit * percent)
          expected.add(JSON.stringify([one.account, shape.meter, shape.by, holder, window.startMs, percent]));
      }
    }
  }
  const rows = await site.db.selectFrom("events").selectAll().execute();
  const found = rows.map(({ account, data }) => {
    const { meter, by, holder, threshold, window } = JSON.parse(data);
    const full = holder === null ? "" : `${by}:${holder}`;
    return JSON.stringify([account, meter, by, full, Date.parse(window.start), threshold]);
  });
  expect(found.toSorted()).toEqual([...expected].toSorted());
}

async function round(random: Random): Promise<number> {
  await using site = await JournalSite.open();
  const world = await newWorld(site, random);
  // Every look at the clock takes a turn's time: folds let others in after each step.
  let spent = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (spent += 5));
  let live = 0;
  for (let step = 1; step <= STEPS; step++) {
    await (random.between(0, 5) === 0 ? world.stepTogether() : world.step());
    if (step % 10 !== 0) continue;
    await world.settleAll();
    await compareRows(site, world);
    live += compareWindows(world);
  }
  await compareOthers(site, world);
  await compareEvents(site, world);
  return live;
}

test(`rows, windows, gauges, grants, events and counters equal a plain list, ${ROUNDS} rounds`, async () => {
  const random = seededRandom("ledger model");
  let live = 0;
  for (let count = 0; count < ROUNDS; count++) live += await round(random);
  expect(live).toBeGreaterThan(ROUNDS * 20);
}, 600_000);
