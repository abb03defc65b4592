/**
 * A worker that dies at any step of a request, however small: what it had reserved comes back, once. What it was in the middle of may stay
 * taken, never the other way: no counter says less than the journal, and no more than the journal and that one request.
 */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { windowAt } from "#core/windows.ts";
import { counterName, holderOf } from "#shared/counter-shapes.ts";
import { isRefusal } from "#data-plane/exchange.ts";
import type { Admission } from "#data-plane/policy/admit.ts";
import type { Settler } from "#data-plane/metering/settler.ts";
import { settle, settleMeasured } from "./settle.ts";
import { LimitSite, runtimeOf } from "#test/data-plane/policy/limit-site.ts";
import { accountOf, callerOf } from "#test/data-plane/policy/limit-worker.ts";
import { atEveryStep, diesAt } from "#test/shared/steps.ts";

const NOW_MS = Date.UTC(2026, 0, 15, 12);
const DEAD = 1;

const runtime = runtimeOf(`
rates: { few: { limit: 100, per: 365d, by: account } }
concurrency: { open: { limit: 3, by: account } }
meters:
  calls: { aggregate: count }
  tokens: { from: upstream, estimate: 10 }
  jobs: {}
plans:
  pro:
    default: true
    quotas:
      calls: [{ limit: 100, per: day }, { limit: 100, per: month, by: key }]
      tokens: [{ limit: 5, per: day, exceed: credits }, { limit: 500, per: month }]
      jobs: { limit: 50, per: lifetime }
routes:
  - { name: all, match: { path: /all }, upstream: app, rates: [few], concurrency: [open], meters: { calls: 1, tokens: measured, jobs: 3 } }
`);
const grants = [4, 3, 60].map((amount, index) => ({
  id: `grant-${index}`, amount, priority: index, startMs: 0, expiresMs: null, createdMs: 0, source: "test",
})); // biome-ignore format: one grant
const account = accountOf("acct", { grants });
const caller = callerOf(runtime, account);

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "hrtime"], now: NOW_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

function admitted(site: LimitSite, worker: number): Admission {
  const admission = site.admit(caller, "all", {}, worker);
  if (isRefusal(admission)) throw new Error(admission.rule);
  return admission;
}

/** Every counter of the account, by meter and shape: what it says, and what the journal says of it. */
function counters(
  site: LimitSite,
): readonly { readonly meter: string; readonly used: number; readonly journaled: number }[] {
  const charges = site.charges();
  return [...runtime.shapes].flatMap(([meter, shapes]) =>
    shapes.map((shape) => {
      const window = windowAt(shape.window, NOW_MS, 0);
      const name = counterName(account.id, shape.key, holderOf(shape.by, "key_1", "") ?? "", window);
      const lines = charges.flatMap(({ units }) => units).filter((line) => line.meter === meter);
      const journaled = lines.reduce((sum, { units }) => sum + units, 0);
      return { meter, used: site.counters.used(site.counters.key(name, window)), journaled };
    }),
  );
}

/** `request` after its admission, which nobody interrupts; null: the admission itself. */
type Rest = ((settler: Settler, admission: Admission) => void) | null;

const requests: Readonly<Record<string, Rest>> = {
  "is admitted": null,
  "is settled as it was reserved": whole([10]),
  "used less than was reserved": whole([2]),
  "used nothing of what was reserved": whole([0]),
  "used more than was reserved": whole([31]),
  "is settled in two parts, the second smaller": parts([1]),
  "is settled in two parts, the second larger": parts([30]),
  "is not charged": (settler, { reservation, held }) => {
    if (reservation !== null) settle(settler, reservation, 503, [1]);
    held?.giveBack();
  },
};

function whole(measured: readonly number[]): Rest {
  return (settler, { reservation, held }) => {
    if (reservation !== null) settle(settler, reservation, 200, measured);
    held?.giveBack();
  };
}

function parts(measured: readonly number[]): Rest {
  return (settler, { reservation, held }) => {
    if (reservation === null) return;
    settle(settler, reservation, 200, null);
    settleMeasured(settler, reservation, 200, measured);
    held?.giveBack();
  };
}

test("a gauge that is given back is as the journal says, wherever the worker dies, but where it has taken off and not noted it yet", () => {
  const gauges = runtimeOf(`
meters: { seats: { aggregate: last } }
plans: { pro: { default: true, quotas: { seats: [{ limit: 9, per: lifetime }, { limit: 9, per: lifetime, by: key }] } } }
routes:
  - { name: join, match: { path: /join }, upstream: app, meters: { seats: 3 } }
  - { name: leave, match: { path: /leave }, upstream: app, meters: { seats: -2 } }
`);
  const holders = ["", "key:key_1"];
  let wrong = 0;
  const steps = atEveryStep((step) => {
    using site = new LimitSite(gauges, 2);
    const go = (path: string, worker: number) => {
      const admission = site.admit(callerOf(gauges, account), path, {}, worker);
      if (isRefusal(admission) || admission.reservation === null) throw new Error(`/${path} was refused`);
      const { reservation } = admission;
      return () => settle(site.worker(worker).settler, reservation, 200, []);
    };
    go("join", 0)();
    const leave = go("leave", DEAD);
    const count = diesAt(step, leave);
    site.kill(DEAD);
    const journaled = site.charges().reduce((sum, { units }) => sum + (units[0]?.units ?? 0), 0);
    const used = holders.map((holder) => site.used(account, "seats", "lifetime", holder));
    expect(journaled).toBeGreaterThanOrEqual(1);
    for (const units of used) expect(units).toBeGreaterThanOrEqual(1);
    if (used.some((units) => units !== journaled)) wrong++;
    return count;
  });
  expect(steps).toBeGreaterThan(5);
  expect(wrong).toBeLessThanOrEqual(5);
});

/** Most units of a meter that the one request is ever about. */
const MOST: Readonly<Record<string, number>> = { calls: 1, tokens: 31, jobs: 3 };
const CREDITS_MOST = 4 + 3 + 60;

describe.each(Object.entries(requests))("a request that %s", (_, rest) => {
  test("leaves nothing below the journal, and nothing above but what it was at, wherever its worker dies", () => {
    let keptSlots = 0;
    const steps = atEveryStep((step) => {
      using site = new LimitSite(runtime, 2);
      // Another one is under way elsewhere, and stays so.
      const other = admitted(site, 0);
      const mine = rest === null ? null : admitted(site, DEAD);
      const { settler } = site.worker(DEAD);
      const count = diesAt(step, () => {
        if (mine === null || rest === null) site.admit(caller, "all", {}, DEAD);
        else rest(settler, mine);
      });
      if (step >= count) return count;
      site.kill(DEAD);
      other.held?.giveBack();
      if (other.reservation !== null) settle(site.worker(0).settler, other.reservation, 200, [7]);
      for (const { meter, used, journaled } of counters(site)) {
        expect(used).toBeGreaterThanOrEqual(journaled);
        expect(used).toBeLessThanOrEqual(journaled + (MOST[meter] ?? 0));
      }
      const burns = site.charges().flatMap((charge) => charge.burns);
      const journaled = burns.reduce((sum, { credits }) => sum + credits, 0);
      const burnt = grants.reduce((sum, { id }) => sum + site.burnt(id), 0);
      expect(burnt).toBeGreaterThanOrEqual(journaled);
      expect(burnt).toBeLessThanOrEqual(CREDITS_MOST);
      const slots = site.held("open", "account:acct");
      expect(slots).toBeLessThanOrEqual(1);
      keptSlots += slots;
      return count;
    });
    expect(steps).toBeGreaterThan(rest === null ? 30 : 4);
    // Between two neighbouring words: the slot, and the note of it.
    expect(keptSlots).toBeLessThanOrEqual(1);
  });
});
