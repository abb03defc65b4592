/**
 * A place that changes hands in the middle of an operation, at every step of it: nobody draws from a stranger's entry, nobody's entry
 * is changed by a stranger, and what was taken is taken once.
 */
import { describe, expect, test } from "vitest";
import { bucketOf } from "#core/limits.ts";
import { RateTable } from "#shared/rate-table.ts";
import { createTable } from "#shared/shared-table.ts";
import { SlotTable } from "#shared/slot-table.ts";
import { ENTRIES, textsOfOneSet, WAYS } from "./crowd.ts";
import { atEveryPair, atEveryStep, interrupted } from "./steps.ts";

const SECOND_NS = 1_000_000_000n;
const NOW_NS = 1_000n * SECOND_NS;
const NOW_MS = 1_000_000;
const BUCKET = bucketOf(10, 1_000, 5);
const COST_NS = 2n * BUCKET.intervalNs;
const WINDOW_MS = 500;
const FULL = 5;

/** A full set in which only `mine` is idle, as two threads see it; a third key wants in. */
function crowdedRates() {
  const buffer = createTable(ENTRIES, 1);
  const [me, other] = [new RateTable(buffer, 1), new RateTable(buffer, 2)];
  const [mine = "", stranger = "", ...others] = textsOfOneSet(me, WAYS + 1);
  me.take(me.key(mine), BUCKET, 1n, COST_NS);
  const long = bucketOf(1, 86_400_000, 1);
  for (const text of others) me.take(me.key(text), long, NOW_NS, long.intervalNs);
  return { me, other, mine: me.key(mine), again: other.key(mine), stranger: other.key(stranger) };
}

type Crowd = ReturnType<typeof crowdedRates>;

/** Two tokens, some time later. */
function strangerTakes({ other, stranger }: Crowd, laterMs: number): string {
  return other.take(stranger, BUCKET, NOW_NS + BigInt(laterMs) * 1_000_000n, COST_NS);
}

function strangerCounts({ other, stranger }: Crowd, laterMs: number): string {
  const nowMs = NOW_MS + laterMs;
  return other.takeWindow(stranger, 2, FULL, 0, nowMs, nowMs + WINDOW_MS);
}

/** Later by so much that also what the owner takes now is over: its thread had to wait for the processor. */
const MUCH_LATER_MS = 10_000;

describe.each([
  ["bucket", 1],
  ["bucket", MUCH_LATER_MS],
  ["window", 1],
  ["window", MUCH_LATER_MS],
] as const)("a stranger that takes an idle place for a %s %i ms later", (kind, laterMs) => {
  const act = (crowd: Crowd) => (kind === "bucket" ? strangerTakes(crowd, laterMs) : strangerCounts(crowd, laterMs));
  const leftOf = (crowd: Crowd) =>
    kind === "bucket"
      ? crowd.other.left(crowd.stranger, BUCKET, NOW_NS + BigInt(laterMs) * 1_000_000n)
      : FULL - crowd.other.window(crowd.stranger, NOW_MS + laterMs).taken;

  const works = {
    "takes tokens": ({ me, mine }: Crowd) => me.take(mine, BUCKET, NOW_NS, COST_NS),
    "takes of a window": ({ me, mine }: Crowd) => me.takeWindow(mine, 2, FULL, 0, NOW_MS, NOW_MS + WINDOW_MS),
    "gives tokens back": ({ me, mine }: Crowd) => me.giveBack(mine, COST_NS),
    "gives back to a window": ({ me, mine }: Crowd) => me.giveBackWindow(mine, 2, NOW_MS + WINDOW_MS),
  };

  test.each(Object.entries(works))("while the former owner %s has exactly what it left itself", (_, work) => {
    const steps = atEveryStep((step) => {
      const crowd = crowdedRates();
      let theirs = "nothing";
      const { outcome, steps: count } = interrupted([[step, () => (theirs = act(crowd))]], () => work(crowd));
      // Where the owner was faster the place is no longer idle, and the stranger found none.
      expect(["taken", "full", "nothing"]).toContain(theirs);
      expect(leftOf(crowd)).toBe(theirs === "taken" ? FULL - 2 : FULL);
      // It gets what it wants, unless the stranger has the place.
      expect([undefined, "taken", theirs === "taken" ? "full" : "taken"]).toContain(outcome);
      return count;
    });
    expect(steps).toBeGreaterThan(1);
  });
});

test("a place that went to a stranger and came back holds what its owner took in the end, once", () => {
  const pairs = atEveryPair((first, second) => {
    const crowd = crowdedRates();
    const { me, other, mine, again } = crowd;
    let theirs: string[] = [];
    const atNs = NOW_NS + 10n * SECOND_NS;
    const plan = [
      [first, () => theirs.push(strangerTakes(crowd, 1))],
      [second, () => theirs.push(other.take(again, BUCKET, atNs, COST_NS))],
    ] as const;
    const { outcome, steps } = interrupted(plan, () => me.take(mine, BUCKET, atNs, COST_NS));
    const taken = [outcome, ...theirs.slice(1)].filter((word) => word === "taken").length;
    expect(me.left(mine, BUCKET, atNs)).toBe(FULL - 2 * taken);
    theirs = [];
    return steps;
  });
  expect(pairs).toBeGreaterThan(10);
});

test("tokens given back to a window that another one followed are nobody's", () => {
  const buffer = createTable(ENTRIES, 1);
  const [me, other] = [new RateTable(buffer, 1), new RateTable(buffer, 2)];
  const endMs = NOW_MS + WINDOW_MS;
  atEveryStep((step) => {
    const [mine, same] = [me.key(`window-${step}`), other.key(`window-${step}`)];
    expect(me.takeWindow(mine, 2, FULL, 0, NOW_MS, endMs)).toBe("taken");
    const next = () => expect(other.takeWindow(same, 3, FULL, 0, endMs, endMs + WINDOW_MS)).toBe("taken");
    const { steps } = interrupted([[step, next]], () => me.giveBackWindow(mine, 2, endMs));
    const { taken } = me.window(mine, endMs);
    expect(taken).toBe(step < steps ? 3 : 0);
    return steps;
  });
});

describe("slots", () => {
  /** A full set in which nobody is under way with `mine` only. */
  function crowdedSlots() {
    const buffer = createTable(ENTRIES, 1);
    const [me, other] = [new SlotTable(buffer, 1), new SlotTable(buffer, 2)];
    const [mine = "", stranger = "", ...others] = textsOfOneSet(me, WAYS + 1);
    me.giveBackAt(me.take(me.key(mine), 1));
    for (const text of others) me.take(me.key(text), 1);
    return { me, other, mine: me.key(mine), stranger: other.key(stranger) };
  }

  test("a stranger that takes an idle place has its only slot, whatever the former owner is at", () => {
    const pairs = atEveryPair((first, second) => {
      const { me, other, mine, stranger } = crowdedSlots();
      const theirs: number[] = [];
      // Goes idle at once, so that the place stays a stranger's with nobody under way.
      const comes = () => {
        const place = other.take(stranger, 1);
        theirs.push(place);
        if (place >= 0) other.giveBackAt(place);
      };
      const plan = [[first, comes], [second, () => theirs.push(other.take(stranger, 1))]] as const; // biome-ignore format: one plan
      const { outcome, steps } = interrupted(plan, () => me.take(mine, 1));
      // -2: the former owner was faster. -1 would be a slot that the stranger never took.
      expect([outcome, ...theirs]).not.toContain(-1);
      expect(other.held(stranger)).toBe((theirs[1] ?? -2) >= 0 ? 1 : 0);
      expect(me.held(mine)).toBe(outcome >= 0 ? 1 : 0);
      return steps;
    });
    expect(pairs).toBeGreaterThan(5);
  });

  test("a place that a stranger took and left is taken back, and only its own slot with it", () => {
    atEveryStep((step) => {
      const { me, other, mine, stranger } = crowdedSlots();
      const comesAndGoes = () => {
        const place = other.take(stranger, 1);
        if (place >= 0) other.giveBackAt(place);
      };
      const { outcome, steps } = interrupted([[step, comesAndGoes]], () => me.take(mine, 1));
      expect([outcome >= 0, me.held(mine), other.held(stranger)]).toEqual([true, 1, 0]);
      return steps;
    });
  });

  test("of two that come for the last slot at any step one gets it", () => {
    atEveryStep((step) => {
      const { me, other, mine } = crowdedSlots();
      let theirs = -3;
      const { outcome, steps } = interrupted([[step, () => (theirs = other.take({ ...mine }, 1))]], () =>
        me.take(mine, 1),
      );
      const got = [outcome, theirs].filter((place) => place >= 0);
      expect(got).toHaveLength(1);
      expect(me.held(mine)).toBe(1);
      return steps;
    });
  });
});
