/** I09, I13: clocks that jump, and windows that end at odd times: days of 23 and 25 hours, 29 February, months that begin on the 31st. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { type FakeClock, fakeClock } from "#test/support/faketime.ts";
import { askJson, type MadeKey, rows, type Scene, startScene } from "#test/support/scene.ts";
import type { LoneRow } from "./runner.ts";

const DAY_MS = 86_400_000;
/** Far enough from an end that the test does not run into it. */
const BEFORE_MS = 60_000;

export const LIMITS_CLOCK: readonly LoneRow[] = [
  {
    id: "I09",
    class: "limits",
    name: "a clock set two days back or forty ahead gives no token and takes none",
    needs: "faketime",
    proof: jumps,
  },
  {
    id: "I13",
    class: "limits",
    name: "windows end where days, months and billing periods do: at changes of clocks, on 29 February, on the last day for the 31st",
    needs: "faketime",
    timeoutMs: 60_000,
    proof: rollovers,
  },
];

async function jumps(): Promise<void> {
  using clock = fakeClock();
  const rates = {
    bucket: { limit: 1, per: "10d", burst: 5 },
    fixed: { limit: 5, per: "10d", algorithm: "fixed-window" },
    sliding: { limit: 5, per: "10d", algorithm: "sliding-window" },
    quick: { limit: 2, per: "200ms" },
  };
  const names = Object.keys(rates);
  const routes = names.map((name) => ({ name, match: { path: `/${name}` }, upstream: "app", rates: [name] }));
  await using scene = await startScene({ config: { rates, routes }, gateway: clock.options });
  const key = await scene.operator.key();
  const passed = async (name: string, times: number) => {
    let count = 0;
    for (let i = 0; i < times; i++) if ((await ask(scene, key, name)) === 200) count += 1;
    return count;
  };
  const slow = names.filter((name) => name !== "quick");
  for (const name of slow) expect.soft(await passed(name, 2), name).toBe(2);
  const now = clock.nowMs();
  for (const days of [-2, 40, 0]) {
    clock.setMs(now + days * DAY_MS);
    for (const name of slow) expect.soft(await passed(name, 1), `${name} ${days} d`).toBe(1);
    // A token comes back in 100 ms whatever the clock shows.
    await sleep(250);
    expect.soft(await passed("quick", 2), `quick ${days} d`).toBe(2);
  }
  for (const name of slow) expect.soft(await passed(name, 3), `${name} in the end`).toBe(0);
}

async function ask({ gateway }: Scene, key: MadeKey, path: string): Promise<number> {
  return (await askJson(`${gateway.url}/${path}`, { bearer: key.secret })).status;
}

interface Rollover {
  readonly meter: string;
  /** When the account is made. */
  readonly made: string;
  /** Ends of windows that follow one another, the first one's start before them. */
  readonly ends: readonly [string, string, ...string[]];
}

/** In the order of time. */
const ROLLOVERS: readonly Rollover[] = [
  // The second after 23:59:59 was a leap second; it is in no window's way.
  {
    meter: "utc",
    made: "2016-12-31T12:00:00Z",
    ends: ["2016-12-31T00:00:00Z", "2017-01-01T00:00:00Z", "2017-01-02T00:00:00Z"],
  },
  {
    meter: "berlin",
    made: "2026-03-29T00:30:00Z",
    ends: ["2026-03-28T23:00:00Z", "2026-03-29T22:00:00Z", "2026-03-30T22:00:00Z"],
  },
  {
    meter: "berlin",
    made: "2026-10-25T00:30:00Z",
    ends: ["2026-10-24T22:00:00Z", "2026-10-25T23:00:00Z", "2026-10-26T23:00:00Z"],
  },
  {
    meter: "last",
    made: "2027-02-01T00:00:00Z",
    ends: ["2027-01-31T00:00:00Z", "2027-02-28T00:00:00Z", "2027-03-31T00:00:00Z", "2027-04-30T00:00:00Z"],
  },
  {
    meter: "billing",
    made: "2028-01-31T10:15:00Z",
    ends: ["2028-01-31T10:15:00Z", "2028-02-29T10:15:00Z", "2028-03-31T10:15:00Z", "2028-04-30T10:15:00Z"],
  },
  {
    meter: "billing",
    made: "2028-02-29T23:30:00Z",
    ends: ["2028-02-29T23:30:00Z", "2028-03-29T23:30:00Z", "2028-04-29T23:30:00Z"],
  },
];

async function rollovers(): Promise<void> {
  using clock = fakeClock();
  clock.setMs(Date.parse("2016-12-31T00:00:00Z"));
  const windows = {
    utc: { per: "day" },
    berlin: { per: "day", timeZone: "Europe/Berlin" },
    last: { per: "month", day: 31 },
    billing: { per: "billing-period" },
  };
  const meters = Object.keys(windows);
  await using scene = await startScene({
    config: {
      meters: Object.fromEntries(meters.map((meter) => [meter, {}])),
      plans: {
        free: {
          default: true,
          quotas: Object.fromEntries(
            Object.entries(windows).map(([meter, window]) => [meter, { limit: 1, ...window }]),
          ),
        },
      },
      routes: meters.map((meter) => ({
        name: meter,
        match: { path: `/${meter}` },
        upstream: "app",
        meters: { [meter]: 1 },
      })),
    },
    gateway: clock.options,
  });
  for (const rollover of ROLLOVERS) await expectRollovers(scene, clock, rollover);
}

async function expectRollovers(scene: Scene, clock: FakeClock, { meter, made, ends }: Rollover): Promise<void> {
  clock.setMs(Date.parse(made));
  const key = await scene.operator.key();
  for (const [index, end] of ends.slice(1).entries()) {
    const window = { start: iso(ends[index] ?? ""), end: iso(end) };
    if (index > 0) clock.setMs(Date.parse(ends[index] ?? ""));
    expect
      .soft([await ask(scene, key, meter), await ask(scene, key, meter)], `${meter} from ${window.start}`)
      .toEqual([200, 429]);
    clock.setMs(Date.parse(end) - BEFORE_MS);
    expect.soft(await ask(scene, key, meter), `${meter} before ${end}`).toBe(429);
    const { body } = await askJson(`${scene.gateway.url}/_tollgate/billing/usage`, { bearer: key.secret });
    const line = rows(body, "meters").find((row) => row.meter === meter);
    expect.soft(line, `${meter} before ${end}`).toMatchObject({ used: 1, window });
  }
}

function iso(time: string): string {
  return new Date(time).toISOString();
}
