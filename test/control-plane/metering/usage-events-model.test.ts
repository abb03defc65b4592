/**
 * Random lists of events, repeats, corrections, late ones, restarts and reloads against a model that is nothing but a list of what
 * was said last of each event: ledger, windows, live counters and credits come to the same.
 */
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import type { Account } from "#control-plane/accounts/account.ts";
import { UsageSite } from "./usage-site.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** 24 November 2026, 09:20 UTC. */
const AT_MS = Date.UTC(2026, 10, 24, 9, 20);
const LIMIT = 20;
const PER_UNIT = 3;
const CREDITS = [40, 90] as const;

const DAY_QUOTA = `{ limit: ${LIMIT}, per: day, exceed: credits, credits: ${PER_UNIT} }`;
const FILES = [`[${DAY_QUOTA}]`, `[${DAY_QUOTA}, { limit: 5, per: hour, exceed: warn }]`].map(
  (quotas) => `meters: { calls: {}, seats: { aggregate: last }, peak: { aggregate: max } }
plans: { free: { default: true, quotas: { calls: ${quotas} } } }
`,
);

type Meter = "calls" | "seats" | "peak";

type Step =
  | { readonly kind: "report"; readonly events: readonly Said[] }
  | { readonly kind: "wait"; readonly minutes: number }
  | { readonly kind: "restart" }
  | { readonly kind: "reload" };

/** What is sent; ids are few, so that many come again. */
interface Said {
  readonly id: number;
  readonly meter: Meter;
  readonly value: number;
  /** Minutes before now; null: not said. */
  readonly ago: number | null;
  readonly corrects: number | null;
}

/** One event and what its corrections made of it. */
interface Known {
  readonly said: string;
  readonly meter: Meter;
  readonly atMs: number;
  /** null: no correction. */
  readonly of: number | null;
  /** What was counted for it, corrections included. */
  units: number;
  burnt: number;
}

/** The slow, obvious way. */
class Model {
  readonly events = new Map<number, Known>();
  seats = 0;
  burnt = 0;

  report(
    said: Said,
    nowMs: number,
  ): "accepted" | "duplicate" | "conflict" | "unknown_event" | "not_correctable" | "invalid_value" {
    // The time counts, not how long ago it was when it was said.
    const text = JSON.stringify({ ...said, ago: said.ago === null ? null : nowMs - said.ago * MINUTE_MS });
    const known = this.events.get(said.id);
    if (known !== undefined) return known.said === text ? "duplicate" : "conflict";
    if (said.corrects !== null) return this.#correct(said, text);
    if (said.value < 0 && said.meter !== "seats") return "invalid_value";
    const atMs = nowMs - (said.ago ?? 0) * MINUTE_MS;
    const event: Known = { said: text, meter: said.meter, atMs, of: null, units: 0, burnt: 0 };
    this.#add(event, said.value);
    this.events.set(said.id, event);
    return "accepted";
  }

  #correct({ id, meter, value, corrects }: Said, text: string): ReturnType<Model["report"]> {
    const original = this.events.get(corrects ?? 0);
    if (original === undefined) return "unknown_event";
    if (original.of !== null || original.meter !== meter) return "not_correctable";
    if (value < 0 && meter !== "seats") return "invalid_value";
    if (meter === "peak" && value < original.units) return "not_correctable";
    this.#add(original, value - original.units);
    this.events.set(id, { said: text, meter, atMs: original.atMs, of: corrects, units: 0, burnt: 0 });
    return "accepted";
  }

  #add(event: Known, units: number): void {
    const counted = event.meter === "seats" ? Math.max(-this.seats, units) : units;
    if (event.meter === "calls") this.#burn(event, units);
    if (event.meter === "seats") this.seats += counted;
    event.units += counted;
  }

  #burn(event: Known, units: number): void {
    const used = this.used(event.atMs, DAY_MS);
    const over = Math.max(0, used + units - LIMIT) - Math.max(0, used - LIMIT);
    const left = CREDITS[0] + CREDITS[1] - this.burnt;
    const change = units < 0 ? -Math.min(-units * PER_UNIT, event.burnt) : Math.min(over * PER_UNIT, left);
    event.burnt += change;
    this.burnt += change;
  }

  /** Calls of the day or hour that holds the moment. */
  used(atMs: number, lengthMs: number): number {
    const window = Math.floor(atMs / lengthMs);
    const calls = [...this.events.values()].filter(({ meter }) => meter === "calls");
    return calls
      .filter((event) => Math.floor(event.atMs / lengthMs) === window)
      .reduce((sum, { units }) => sum + units, 0);
  }

  minutes(meter: Meter): readonly (readonly [number, number])[] {
    const sums = new Map<number, number>();
    for (const event of this.events.values()) {
      if (event.meter !== meter || event.of !== null) continue;
      const minute = Math.floor(event.atMs / MINUTE_MS) * MINUTE_MS;
      sums.set(minute, (sums.get(minute) ?? 0) + event.units);
    }
    return [...sums].sort(([one], [other]) => one - other);
  }

  peak(): number {
    return Math.max(0, ...[...this.events.values()].filter(({ meter }) => meter === "peak").map(({ units }) => units));
  }
}

const saidOf = fc.record({
  id: fc.integer({ min: 1, max: 25 }),
  meter: fc.constantFrom<Meter>("calls", "calls", "seats", "peak"),
  value: fc.integer({ min: -4, max: 12 }),
  ago: fc.option(fc.constantFrom(0, 1, 90, 1_500), { nil: null }),
  corrects: fc.option(fc.integer({ min: 1, max: 25 }), { nil: null, freq: 2 }),
});

const stepOf: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({
      kind: fc.constant("report" as const),
      events: fc.array(saidOf, { minLength: 1, maxLength: 8 }),
    }),
  },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("wait" as const), minutes: fc.constantFrom(1, 61, 600) }) },
  { weight: 1, arbitrary: fc.constant({ kind: "restart" as const }) },
  { weight: 1, arbitrary: fc.constant({ kind: "reload" as const }) },
);

afterEach(() => {
  vi.useRealTimers();
});

test("whatever is reported, repeated, corrected and restarted, everything comes to what the model says", async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(stepOf, { minLength: 4, maxLength: 16 }), async (steps) => {
      vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
      await using site = await UsageSite.open(FILES[0] ?? "");
      const account = await site.account();
      const grants = await Promise.all(
        CREDITS.map(async (amount) => (await site.give(account.id, { amount, startMs: 0 })).grant.row.id),
      );
      const model = new Model();
      const times = new Set<number>([AT_MS]);
      let file = 0;
      for (const step of steps) {
        if (step.kind === "wait") vi.setSystemTime(Date.now() + step.minutes * MINUTE_MS);
        if (step.kind === "restart") await site.restart();
        if (step.kind === "reload") await site.reload(FILES[(file = 1 - file)] ?? "");
        if (step.kind !== "report") continue;
        const now = Date.now();
        const expected = step.events.map((said) => model.report(said, now));
        const results = await site.report(step.events.map((said) => eventOf(said, now)));
        expect(results.map(({ status, error }) => error ?? status)).toEqual(expected);
        for (const { ago } of step.events) times.add(now - (ago ?? 0) * MINUTE_MS);
        await compare(site, account, model, grants, [...times]);
      }
      await site.restart();
      await site.foundation.ledger.seeder.ensure(account.id);
      await compare(site, account, model, grants, [Date.now()]);
    }),
    { numRuns: process.env.TOLLGATE_LONG === "1" ? 500 : 10 },
  );
});

function eventOf({ id, meter, value, ago, corrects }: Said, nowMs: number) {
  return {
    id: `e${id}`,
    source: "app",
    type: meter,
    subject: "A",
    ...(ago === null ? {} : { time: new Date(nowMs - ago * MINUTE_MS).toISOString() }),
    data: { value, ...(corrects === null ? {} : { corrects: `e${corrects}` }) },
  };
}

async function compare(
  site: UsageSite,
  account: Account,
  model: Model,
  grants: readonly string[],
  times: readonly number[],
): Promise<void> {
  const calls = await site.minutes(account.id, "calls");
  expect(calls.filter(([, units]) => units !== 0)).toEqual(model.minutes("calls").filter(([, units]) => units !== 0));
  expect(calls.every(([, units]) => units >= 0)).toBe(true);
  expect(site.live(account, "seats")).toBe(model.seats);
  expect(site.live(account, "peak")).toBe(model.peak());
  expect(grants.reduce((sum, grant) => sum + site.burnt(grant), 0)).toBe(model.burnt);
  const windows = await site.db
    .selectFrom("usage_windows")
    .selectAll()
    .where("shape", "like", "calls|account|day|%")
    .execute();
  for (const { start_ms: startMs, used } of windows) expect(used).toBe(model.used(startMs, DAY_MS));
  // Live counters stay for a day after the end of a day, for an hour after that of an hour.
  const kept = times.filter((atMs) => Date.now() - atMs < DAY_MS);
  expect(kept.map((atMs) => site.live(account, "calls", atMs, "", "day"))).toEqual(
    kept.map((atMs) => model.used(atMs, DAY_MS)),
  );
  const isHourly = site.settings.plans.free?.quotas.calls?.length === 2;
  const hours = isHourly ? times.filter((atMs) => Date.now() - atMs < HOUR_MS) : [];
  expect(hours.map((atMs) => site.live(account, "calls", atMs, "", "hour"))).toEqual(
    hours.map((atMs) => model.used(atMs, HOUR_MS)),
  );
}
