/**
 * 10,000 requests of real threads against limits with L left let exactly L through: rates, windows, slots, quotas, gauges, credits over
 * several grants and a cap in money over two meters, all through the admission that workers use: from 1, 2 and 4 of them with
 * TOLLGATE_LONG=1 (CI), otherwise from 2.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Worker } from "node:worker_threads";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { monotonicNs } from "#core/clock.ts";
import type { CreditGrant } from "#core/credits.ts";
import { grantCounterName } from "#shared/counter-shapes.ts";
import { CounterTable } from "#shared/counter-table.ts";
import type { AccountRecord } from "#shared/principals.ts";
import { reservedUnits } from "#shared/in-flight-table.ts";
import { RateTable } from "#shared/rate-table.ts";
import { SlotTable } from "#shared/slot-table.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { instantOf, liveRate } from "#data-plane/policy/rates.ts";
import { settingsOf } from "#test/config/faults-of.ts";
import type { AdmitJob, AdmitOutcome, AdmitStart } from "./admit-hammer.ts";
import { HEAD } from "./limit-site.ts";
import { accountOf, createBuffers, type SharedBuffers } from "./limit-worker.ts";

const ATTEMPTS = 10_000;
const WORKERS = process.env.TOLLGATE_LONG === "1" ? [1, 2, 4] : [2];

const route = (name: string, rest: string) =>
  `  - { name: ${name}, match: { path: /${name} }, upstream: app, ${rest} }\n`;

const settings = settingsOf(`${HEAD}
identity: { members: { quotaWindows: [lifetime] } }
rates:
  bucket: { limit: 501, per: 365d, by: account }
  dear: { limit: 1000, per: 365d, by: account }
  fixed: { limit: 502, per: 1h, by: account, algorithm: fixed-window }
  sliding: { limit: 503, per: 365d, by: account, algorithm: sliding-window }
  ample: { limit: 100000, per: 365d, by: account }
concurrency: { open: { limit: 97, by: account }, wide: { limit: 5000, by: account } }
meters:
  calls: {}
  tokens: { from: upstream, estimate: 10 }
  seats: { aggregate: last }
  extra: {}
  paid: {}
  left: {}
  right: {}
plans:
  pro:
    default: true
    quotas:
      calls: [{ limit: 600, per: lifetime }, { limit: 401, per: lifetime, by: key }]
      tokens: { limit: 3005, per: lifetime }
      seats: { limit: 257, per: lifetime }
      extra: { limit: 100, per: lifetime, exceed: overage }
      paid: { limit: 50, per: lifetime, exceed: credits, credits: 3 }
      left: { limit: 10, per: lifetime, exceed: overage, overage: { price: 3 } }
      right: { limit: 10, per: lifetime, exceed: overage, overage: { price: 3 } }
routes:
${route("bucket", "rates: [bucket]")}${route("dear", "rates: [{ rate: dear, cost: 3 }]")}${route("fixed", "rates: [fixed]")}
${route("sliding", "rates: [sliding]")}${route("open", "concurrency: [open]")}${route("calls", "meters: { calls: 1 }")}
${route("tokens", "meters: { tokens: measured }")}${route("seats", "meters: { seats: 1 }")}${route("extra", "meters: { extra: 1 }")}
${route("paid", "meters: { paid: 1 }")}${route("left", "meters: { left: 1 }")}${route("right", "meters: { right: 1 }")}
${route("all", "rates: [ample, { rate: dear, cost: 2 }], concurrency: [wide], meters: { extra: 1, calls: 1, paid: 1 }")}
`);

function grants(account: string): readonly CreditGrant[] {
  return [100, 58, 149].map((amount, index) => {
    return {
      id: `${account}-${index}`,
      amount,
      priority: 0,
      startMs: 0,
      expiresMs: null,
      createdMs: index,
      source: "test",
    };
  });
}

/** A caller whose key or member has limits of its own. */
function limited(holder: "key" | "user", requests: number | null, calls: number | null = null): Partial<Principal> {
  const rates = requests === null ? [] : [{ limit: requests, perMs: 365 * 86_400_000, burst: requests }];
  const quotas = calls === null ? [] : [{ meter: "calls", limit: calls, per: "lifetime" } as const];
  return { ownLimits: [{ holder, limits: { rates, quotas } }] };
}

interface Stage {
  readonly name: string;
  readonly account: AccountRecord;
  readonly caller?: Partial<Principal>;
  readonly paths: readonly string[];
  /** How many get through. */
  readonly through: number;
  readonly rule: string;
  readonly releases?: boolean;
}

/** Each by an account of its own. */
const STAGES: readonly Stage[] = [
  { name: "a token bucket", account: accountOf("a"), paths: ["bucket"], through: 501, rule: "rate:bucket" },
  { name: "a token bucket, 3 each", account: accountOf("b"), paths: ["dear"], through: 333, rule: "rate:dear" },
  { name: "a fixed window", account: accountOf("c"), paths: ["fixed"], through: 502, rule: "rate:fixed" },
  { name: "a sliding window", account: accountOf("d"), paths: ["sliding"], through: 503, rule: "rate:sliding" },
  { name: "slots", account: accountOf("e"), paths: ["open"], through: 97, rule: "concurrency:open" },
  { name: "two quotas of a meter", account: accountOf("f"), paths: ["calls"], through: 401, rule: "quota:calls" },
  { name: "estimates of 10", account: accountOf("g"), paths: ["tokens"], through: 300, rule: "quota:tokens" },
  { name: "a gauge", account: accountOf("h"), paths: ["seats"], through: 257, rule: "quota:seats" },
  {
    name: "overage with a cap in units", account: accountOf("i", { spendCap: { units: { extra: 55 }, money: null } }), paths: ["extra"], through: 155, rule: "spend-cap:extra",
  },
  // 307 credits of three grants pay for 102 at 3 each, some of them from two grants.
  { name: "credits over three grants, 3 each", account: accountOf("j", { grants: grants("j") }), paths: ["paid"], through: 152, rule: "credits:paid" },
  // 10 of each are included, and 300 pay for 100 at 3 each, in whatever mixture.
  {
    name: "a cap in money over two meters", account: accountOf("k", { spendCap: { units: {}, money: 301 } }), paths: ["left", "right", "right"], through: 120, rule: "spend-cap:money",
  },
  { name: "limits of every kind at once", account: accountOf("l", { grants: grants("l") }), paths: ["all"], through: 152, rule: "credits:paid" },
  { name: "a rate of the key, whatever the route", account: accountOf("q"), caller: limited("key", 307), paths: ["calls", "seats", "extra"], through: 307, rule: "rate:key" },
  { name: "a quota of the key within the plan's for keys", account: accountOf("r"), caller: limited("key", null, 223), paths: ["calls"], through: 223, rule: "quota:calls" },
  { name: "a quota of the key beyond the plan's for keys", account: accountOf("s"), caller: limited("key", null, 500), paths: ["calls"], through: 401, rule: "quota:calls" },
  { name: "a rate of the member", account: accountOf("t"), caller: { user: "u", ...limited("user", 211) }, paths: ["calls"], through: 211, rule: "rate:member" },
  { name: "a quota of the member that no plan has", account: accountOf("u"), caller: { user: "u", ...limited("user", 5000, 199) }, paths: ["calls"], through: 199, rule: "quota:calls" },
]; // biome-ignore format: one table

const BACK: readonly Stage[] = [
  { name: "quotas", account: accountOf("m"), paths: ["calls"], through: 401, rule: "quota:calls", releases: true },
  { name: "slots", account: accountOf("n"), paths: ["open"], through: 97, rule: "concurrency:open", releases: true },
  { name: "credits", account: accountOf("o", { grants: grants("o") }), paths: ["paid"], through: 152, rule: "credits:paid", releases: true },
  {
    name: "a cap in money", account: accountOf("p", { spendCap: { units: {}, money: 301 } }), paths: ["left", "right"], through: 120, rule: "spend-cap:money", releases: true,
  },
]; // biome-ignore format: one table

function answerOf(start: AdmitStart): Promise<readonly AdmitOutcome[]> {
  return new Promise((resolve, reject) => {
    const worker = new Worker(new URL("./admit-hammer.ts", import.meta.url), { workerData: start });
    worker.on("message", resolve);
    worker.on("error", reject);
    worker.on("exit", () => reject(new Error("A thread ended without an answer")));
  });
}

async function onThreads(threads: number, stages: readonly Stage[], buffers: SharedBuffers, dir: string) {
  const gates = new SharedArrayBuffer(stages.length * 4);
  const jobs = stages.map(({ account, caller = {}, paths, releases = false }): AdmitJob => {
    return { account, caller, paths, attempts: ATTEMPTS / threads, releases };
  });
  const starts = Array.from({ length: threads }, (_, index) => {
    return { settings, buffers, jobs, index, owner: index + 2, threads, dir, gates };
  });
  const answers = await Promise.all(starts.map(answerOf));
  return stages.map((_, stage) => answers.map((answer) => answer[stage] ?? {}));
}

function sumOf(outcomes: readonly AdmitOutcome[], word: string): number {
  return outcomes.reduce((sum, outcome) => sum + (outcome[word] ?? 0), 0);
}

describe.each(WORKERS)("%i workers", (threads) => {
  const buffers = createBuffers(threads, 16_384);
  const dir = mkdtempSync(join(tmpdir(), "tollgate-exact-"));
  const answers = new Map<Stage, readonly AdmitOutcome[]>();
  const answersOf = (stage: Stage) => answers.get(stage) ?? [];
  const counters = new CounterTable(buffers.counters, 1);
  const slots = new SlotTable(buffers.slots, 1);

  beforeAll(async () => {
    const stages = [...STAGES, ...BACK];
    const all = await onThreads(threads, stages, buffers, dir);
    stages.forEach((stage, index) => answers.set(stage, all[index] ?? []));
  });
  afterAll(() => rmSync(dir, { recursive: true }));

  test.each(STAGES)("$name: $through get through", (stage) => {
    const outcomes = answersOf(stage);
    expect([sumOf(outcomes, "admitted"), sumOf(outcomes, stage.rule)]).toEqual([
      stage.through,
      ATTEMPTS - stage.through,
    ]);
  });

  test.each(BACK)(
    "$name, every second one given back: never more than there is, and what stays is counted",
    (stage) => {
      const outcomes = answersOf(stage);
      expect(sumOf(outcomes, "admitted")).toBeGreaterThan(stage.through / 2);
      expect(sumOf(outcomes, "admitted")).toBeLessThanOrEqual(stage.through);
      // All that was refused was refused by the one rule.
      expect(Object.keys(Object.assign({}, ...outcomes)).sort()).toEqual(["admitted", stage.rule].sort());
    },
  );

  test("credits burnt are those that were admitted, grant by grant", () => {
    for (const [account, stage] of [["j", STAGES[9]], ["l", STAGES[11]], ["o", BACK[2]]] as const) {
      const burnt = grants(account).map(({ id, amount }) => {
        const used = counters.used(counters.key(grantCounterName(id), { kind: "lifetime", startMs: 0, endMs: 1 }));
        expect(used).toBeLessThanOrEqual(amount);
        return used;
      });
      const admitted = stage === undefined ? 0 : sumOf(answersOf(stage), "admitted");
      // Of those given back some were within the limit, when it was not used up yet.
      const [least, most] = [3 * (admitted - 50), 3 * (admitted - 50) + (account === "o" ? 150 : 0)];
      const sum = burnt.reduce((so, used) => so + used, 0);
      expect(sum).toBeGreaterThanOrEqual(least);
      expect(sum).toBeLessThanOrEqual(most);
    }
  }); // biome-ignore format: one list

  test("slots held are those that were admitted, and no latch is closed", () => {
    const held = (key: string) => slots.held(slots.key(key));
    expect(held("open|account:e")).toBe(97);
    expect(held("wide|account:l")).toBe(152);
    const [, open] = BACK;
    expect(held("open|account:n")).toBe(open === undefined ? -1 : sumOf(answersOf(open), "admitted"));
    expect(["money|k", "money|p", "credits|j", "credits|l", "credits|o"].map(held)).toEqual([0, 0, 0, 0, 0]);
  });

  test("rates gave to those that were admitted and to nobody else", () => {
    const table = new RateTable(buffers.rates, 1);
    const left = ["ample", "dear"].map((name) => {
      const rate = settings.rates[name];
      if (rate === undefined) throw new Error(`There is no rate ${name}`);
      return liveRate(table, { settings: rate, cost: 1 }, rate, "|account:l").state(instantOf(monotonicNs())).left;
    });
    expect(left).toEqual([100_000 - 152, 1_000 - 2 * 152]);
  });

  test("every unit in the counters is noted by the worker that holds it", () => {
    const noted = reservedUnits(buffers.inFlight);
    expect([...noted].filter(([entry, units]) => Number(wordAt(buffers.counters, entry)) !== units)).toEqual([]);
    expect(noted.size).toBeGreaterThan(15);
  });
});

/** Units at a place of the counter table; see the layout in `shared-table.ts`. */
function wordAt(buffer: SharedArrayBuffer, entry: number): bigint {
  const [, sets = 0] = new Int32Array(buffer, 0, 2);
  const valuesAt = (16 + sets) * 4 + sets * 16 * 16;
  return new BigInt64Array(buffer, valuesAt)[entry * 2] ?? -1n;
}
