/** Rates, concurrency limits, meters, quotas and credits in gateway.yaml: what is refused, and what the rest becomes. */
import { expect, test } from "vitest";
import { BASE, faultsOf, settingsOf } from "./faults-of.ts";

const METERS =
  "meters: { calls: {}, tokens: { from: duration }, seats: { aggregate: last }, disk: { aggregate: last, from: bytes.out }, peak: { aggregate: max, from: bytes.in } }\n";

/** Each text follows the six lines of BASE. */
const CASES: readonly (readonly [title: string, text: string, faults: readonly string[]])[] = [
  [
    "a name that every object has by nature",
    "meters: { constructor: {} }\n",
    [
      '6:11 Expected a name of letters, digits, _ . and - that starts with a letter, at most 64 characters, got "constructor"',
    ],
  ],
  ["an unknown time zone", "timeZone: Berlin\n", ['6:11 Unknown time zone "Berlin" (such as UTC or Europe/Berlin)']],
  [
    "a burst of a window",
    "rates: { a: { limit: 5, per: 1m, burst: 9, algorithm: fixed-window } }\n",
    ["6:34 Expected no burst with algorithm: fixed-window (only token buckets have one)"],
  ],
  [
    "a window that cannot be counted",
    "rates: { a: { limit: 16777216, per: 1m, algorithm: sliding-window } }\n",
    ["6:22 Expected at most 16777215 with algorithm: sliding-window, got 16777216"],
  ],
  [
    "a claim without a path",
    'rates: { a: { limit: 5, per: 1m, by: "claim:" } }\n',
    [
      '6:38 Expected "account", "user", "key", "ip", "route", "plan", claim:PATH, such as claim:org.id or a list, got "claim:"',
    ],
  ],
  [
    "a source that is none",
    "meters: { a: { from: response.body } }\n",
    [expect.stringMatching(/^6:22 .*response\.body/)] as unknown as string[],
  ],
  [
    "a scale that is nothing",
    "meters: { a: { from: duration, scale: 0/5 } }\n",
    ['6:39 Expected a number or fraction above 0, got "0/5"'],
  ],
  [
    "figures of a measurement without a source",
    "meters: { a: { minimum: 1, estimate: 5 } }\n",
    [
      "6:16 Expected from with minimum (without from, routes say how many units they cost)",
      "6:28 Expected from with estimate (without from, routes say how many units they cost)",
    ],
  ],
  [
    "keys of another way of exceeding",
    `${METERS}plans: { a: { default: true, quotas: { calls: { limit: 5, per: day, grace: 1, exceed: overage, throttle: { limit: 1, per: 1s }, credits: 2 } } } }\n`,
    [
      "7:69 Expected no grace with exceed: overage (it belongs to exceed: block)",
      "7:96 Expected no throttle with exceed: overage (it belongs to exceed: throttle)",
      "7:129 Expected no credits with exceed: overage (it belongs to exceed: credits)",
    ],
  ],
  [
    "throttle without figures, a gauge by the month, credits for a maximum",
    `${METERS}plans: { a: { default: true, quotas: { calls: { limit: 5, per: day, exceed: throttle }, seats: { limit: 3, per: month }, peak: { limit: 3, per: month, exceed: credits } } } }\n`,
    [
      "7:77 Expected throttle with exceed: throttle (add throttle: { limit: 1, per: 1s })",
      '7:113 Expected lifetime for a gauge, got "month" (a gauge never starts anew)',
      "7:160 Expected block, warn or overage for aggregate: max, got credits",
    ],
  ],
  [
    "the same quota twice, and a day for a week",
    `${METERS}plans: { a: { default: true, quotas: { calls: [{ limit: 5, per: month, day: 2 }, { limit: 6, per: month, day: 2 }, { limit: 7, per: week, day: 2 }] } } }\n`,
    [
      "7:99 Expected another window or holder: this quota exists already",
      "7:139 Expected no day with per: week (only months begin on a day)",
    ],
  ],
  [
    "a plan's rate with both, with neither, and a limit that is not there",
    `rates: { x: { limit: 5, per: 1m }, y: { limit: 5, per: 1m } }\nplans: { a: { default: true, rates: { x: { limit: 5, multiplier: 2 }, y: { per: 1h } }, concurrency: { jobs: 1 } } }\n`,
    [
      "7:54 Expected limit or multiplier, got both",
      "7:71 Expected limit or multiplier, got neither (add limit: 100 or multiplier: 5)",
      '7:104 Unknown concurrency limit "jobs" (there are no concurrency limits)',
    ],
  ],
  [
    "a multiplier that makes a window beyond counting",
    "rates: { w: { limit: 10000000, per: 1m, algorithm: fixed-window } }\nplans: { a: { default: true, rateMultiplier: 5 }, b: { rates: { w: { multiplier: 2 } } } }\n",
    [
      "7:46 Expected a limit of at most 16777215 with algorithm: fixed-window, got 10000000 × 5 for w",
      "7:82 Expected a limit of at most 16777215 with algorithm: fixed-window, got 10000000 × 2 for w",
    ],
  ],
  [
    "an event older than is remembered",
    "metering: { events: { maxAge: 36d }, keepJournal: 500d }\n",
    ["6:31 Expected at most 35d, got 36d", "6:51 Expected at most 400d, got 500d"],
  ],
];

test.each(CASES)("refuses: %s", (_title, text, faults) => {
  expect(faultsOf(BASE + text)).toEqual(faults);
});

test("refuses what a route cannot charge", () => {
  const text = BASE.replace(
    "match: { path: /all } }",
    "match: { path: /all }, meters: { calls: measured, seats: -1, disk: 5, tokens: -2 }, rates: [{ rate: r, cost: 9 }], concurrency: [jobs] }",
  );
  expect(faultsOf(`${text}${METERS}rates: { r: { limit: 5, per: 1m } }\n`)).toEqual([
    "5:73 Expected a number of units: the meter has no from (add from to the meter, such as from: duration)",
    "5:100 Expected measured: this gauge is set by what from says (a gauge without from goes up and down by numbers)",
    "5:111 Expected units of 0 or more, got -2 (only a gauge (aggregate: last) is given back)",
    "5:142 Expected at most 5, the least the rate ever allows at once, got 9",
    '5:162 Unknown concurrency limit "jobs" (there are no concurrency limits)',
  ]);
});

test("refuses a cost that a plan's multiplier makes more than it ever allows", () => {
  const text = BASE.replace("match: { path: /all } }", "match: { path: /all }, rates: [{ rate: r, cost: 3 }] }");
  const plans = "plans: { a: { default: true }, b: { rateMultiplier: 0.4 } }\n";
  expect(faultsOf(`${text}rates: { r: { limit: 5, per: 1m } }\n${plans}`)).toEqual([
    "5:81 Expected at most 2, the least the rate ever allows at once, got 3",
  ]);
});

test("units, multipliers and windows become numbers", () => {
  const settings = settingsOf(`${BASE}timeZone: Europe/Berlin
rates:
  api: { limit: 60, per: 1m, burst: 10, by: [account, "claim:org.id"] }
  login: { limit: 5, per: 15m, by: ip, algorithm: fixed-window }
concurrency: { jobs: { limit: 2 } }
meters:
  calls: {}
  minutes: { from: duration, scale: 1/60, estimate: "request.header:X-Guess", minimum: 1 }
plans:
  free:
    default: true
    quotas:
      calls: { limit: 100, per: month, exceed: throttle, throttle: { from: 90, limit: 1, per: 1s } }
  pro:
    rateMultiplier: 5
    rates: { login: { multiplier: 0.1 } }
    concurrency: { jobs: 20 }
    credits: { amount: 1000, per: billing-period, rollover: { max: 500 } }
    quotas:
      calls:
        - { limit: 1000, per: day, timeZone: UTC, grace: 10 }
        - { limit: 5, per: minute, by: key, thresholds: [100, 50] }
      minutes: { limit: 500, per: month, day: 15, exceed: overage, overage: { price: 10 } }
`);
  expect(settings.rates.api?.by).toEqual(["account", "claim:org.id"]);
  expect(settings.plans.pro?.rates).toEqual({
    api: { limit: 300, perMs: 60_000, burst: 50 },
    login: { limit: 1, perMs: 900_000, burst: 1 },
  });
  expect(settings.plans.pro?.concurrency).toEqual({ jobs: 20 });
  expect(settings.plans.pro?.credits).toEqual({
    amount: 1000,
    priority: 50,
    window: { kind: "billing-period", timeZone: "Europe/Berlin", day: 1 },
    rollover: { max: 500 },
  });
  expect(settings.meters.minutes).toEqual({
    name: "minutes",
    description: null,
    aggregate: "sum",
    source: { kind: "duration" },
    scaling: { scale: { num: 1n, den: 60n }, round: "up", minimum: 1 },
    estimate: { units: 0, header: "x-guess" },
    fallback: null,
  });
  const [throttled] = settings.plans.free?.quotas.calls ?? [];
  expect(throttled?.throttle).toEqual({ limit: 1, perMs: 1000, burst: 1, fromUnits: 90 });
  expect(throttled?.window).toEqual({ kind: "month", timeZone: "Europe/Berlin", day: 1 });
  expect(
    settings.plans.pro?.quotas.calls?.map(({ by, window, grace, thresholds }) => ({ by, window, grace, thresholds })),
  ).toEqual([
    { by: "account", window: { kind: "day", timeZone: "UTC", day: 1 }, grace: 10, thresholds: [80, 90, 100] },
    { by: "key", window: { kind: "minute", timeZone: "Europe/Berlin", day: 1 }, grace: 0, thresholds: [50, 100] },
  ]);
  expect(settings.plans.pro?.quotas.minutes?.[0]).toMatchObject({ price: { price: 10, per: 1 }, status: 429 });
});
