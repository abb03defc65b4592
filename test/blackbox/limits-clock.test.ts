/**
 * A wall clock that is set while the gateway runs neither gives units back nor takes them twice: an hour back, a day ahead, forty
 * days ahead and back again, with restarts in between. The clock is the gateway's alone (libfaketime).
 */
import { expect, test } from "vitest";
import { fakeClock } from "#test/support/faketime.ts";
import { ledgerUnits } from "#test/support/ledger.ts";
import { needs } from "#test/support/needs.ts";
import { withConstants } from "#test/support/patched.ts";
import { startGateway } from "#test/support/process.ts";
import { ADMIN_TOKEN, askJson, operatorOf, rows, sceneConfig, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;
/** Half past twelve: an hour's jump stays within the day. */
const NOON = Date.UTC(2026, 5, 17, 12, 30);

const config = {
  meters: { calls: {}, jobs: {}, paid: {} },
  rates: { bucket: { limit: 1, per: "10d", burst: 3 }, fixed: { limit: 2, per: "10d", algorithm: "fixed-window" } },
  plans: {
    free: {
      default: true,
      quotas: {
        calls: [
          { limit: 6, per: "hour" },
          { limit: 10, per: "day" },
          { limit: 1000, per: "month" },
        ],
        jobs: { limit: 5, per: "day", exceed: "warn", thresholds: [100] },
        paid: { limit: 0, per: "day", exceed: "credits" },
      },
      credits: { amount: 5, per: "day" },
    },
  },
  routes: [
    ...["calls", "jobs", "paid"].map((meter) => ({
      name: meter,
      match: { path: `/${meter}` },
      upstream: "app",
      meters: { [meter]: 1 },
    })),
    { name: "rates", match: { path: "/rates" }, upstream: "app", rates: ["bucket", "fixed"] },
  ],
};

interface Site {
  readonly url: string;
  readonly secret: string;
}

/** Asks `times` times; how many passed. */
async function passed({ url, secret }: Site, path: string, times: number): Promise<number> {
  let count = 0;
  for (let i = 0; i < times; i++) if ((await askJson(`${url}${path}`, { bearer: secret })).status === 200) count += 1;
  return count;
}

/** Credits left, as the customer is told. Grants of the day are made by then, which else a timer does within seconds. */
async function credits({ url, secret }: Site): Promise<unknown> {
  return (await askJson(`${url}/_tollgate/billing/credits`, { bearer: secret })).body.balance;
}

/** Used units by meter and window, as the customer is told. */
async function used({ url, secret }: Site): Promise<Readonly<Record<string, unknown>>> {
  const { body } = await askJson(`${url}/_tollgate/billing/usage`, { bearer: secret });
  return Object.fromEntries(rows(body, "meters").map((row) => [`${row.meter} ${Object(row.window).kind}`, row.used]));
}

test.skipIf(!needs("faketime"))(
  "an hour back and a day ahead: each window has what was used in it, restarts included",
  async () => {
    using clock = fakeClock();
    clock.setMs(NOON);
    await using scene = await startScene({ config, gateway: clock.options });
    const key = await scene.operator.key();
    const site = { url: scene.gateway.url, secret: key.secret };
    expect(await passed(site, "/calls", 4)).toBe(4);
    clock.setMs(NOON - HOUR_MS);
    expect(await used(site)).toMatchObject({ "calls hour": 0, "calls day": 4, "calls month": 4 });
    expect(await passed(site, "/calls", 3)).toBe(3);
    clock.setMs(NOON);
    expect(await used(site)).toMatchObject({ "calls hour": 4, "calls day": 7, "calls month": 7 });
    expect(await passed(site, "/calls", 4)).toBe(2);
    clock.setMs(NOON + DAY_MS);
    expect(await used(site)).toMatchObject({ "calls hour": 0, "calls day": 0, "calls month": 9 });
    expect(await passed(site, "/calls", 5)).toBe(5);
    clock.setMs(NOON + HOUR_MS);
    expect(await used(site)).toMatchObject({ "calls hour": 0, "calls day": 9, "calls month": 14 });
    expect(await passed(site, "/calls", 3)).toBe(1);
    expect(await ledgerUnits(scene.operator, key.account, "calls")).toBe(15);
    expect(scene.upstream.count).toBe(15);

    await scene.gateway.kill();
    const again = { ...sceneConfig(scene.upstream.url), ...config, server: { workers: 2, adminToken: ADMIN_TOKEN } };
    await using second = await startGateway(again, { ...clock.options, dir: scene.gateway.dir });
    const next = { url: second.url, secret: key.secret };
    expect(await used(next)).toMatchObject({ "calls hour": 1, "calls day": 10, "calls month": 15 });
    expect(await passed(next, "/calls", 2)).toBe(0);
    clock.setMs(NOON);
    expect(await used(next)).toMatchObject({ "calls hour": 6, "calls day": 10 });
    clock.setMs(NOON + DAY_MS);
    expect(await used(next)).toMatchObject({ "calls hour": 5, "calls day": 5, "calls month": 15 });
    expect(await passed(next, "/calls", 2)).toBe(1);
    expect(await ledgerUnits(operatorOf(second), key.account, "calls")).toBe(16);
  },
);

test.skipIf(!needs("faketime"))(
  "rates, thresholds and credits of a day: jumps neither refill them nor tell or take twice",
  async () => {
    using clock = fakeClock();
    clock.setMs(NOON);
    await using scene = await startScene({ config, gateway: clock.options });
    const { operator, gateway } = scene;
    const key = await operator.key();
    const site = { url: gateway.url, secret: key.secret };
    const told = async () => {
      await ledgerUnits(operator, key.account, "jobs");
      const { body } = await operator.call("GET", `/admin/events?account=${key.account}`);
      return rows(body, "data").map(({ data }) => String(Object(Object(data).window).start).slice(0, 10));
    };
    const day = async (jobs: number) => ({
      rates: await passed(site, "/rates", 3),
      jobs: await passed(site, "/jobs", jobs),
      credits: await credits(site),
      paid: await passed(site, "/paid", 3),
      told: await told(),
    });
    expect(await day(6)).toEqual({ rates: 2, jobs: 6, credits: 5, paid: 3, told: ["2026-06-17"] });
    clock.setMs(NOON + DAY_MS);
    expect(await day(4)).toEqual({ rates: 0, jobs: 4, credits: 5, paid: 3, told: ["2026-06-17"] });
    clock.setMs(NOON - HOUR_MS);
    expect(await day(1)).toEqual({ rates: 0, jobs: 1, credits: 2, paid: 2, told: ["2026-06-17"] });
    clock.setMs(NOON + DAY_MS);
    expect(await day(2)).toEqual({ rates: 0, jobs: 2, credits: 2, paid: 2, told: ["2026-06-17", "2026-06-18"] });
    expect(await ledgerUnits(operator, key.account, "jobs")).toBe(13);
    expect(await ledgerUnits(operator, key.account, "paid")).toBe(10);
  },
);

test.skipIf(!needs("faketime"))(
  "forty days ahead for a while and back: counters that were swept meanwhile are what they were",
  async () => {
    using clock = fakeClock();
    clock.setMs(NOON);
    const gateway = withConstants(
      [{ file: "control-plane/gateway.ts", line: "const SWEEP_MS = 10 * 60_000;", instead: "const SWEEP_MS = 50;" }],
      clock.options,
    );
    await using scene = await startScene({ config, gateway });
    const key = await scene.operator.key();
    const site = { url: scene.gateway.url, secret: key.secret };
    expect([await passed(site, "/calls", 5), await passed(site, "/paid", 3)]).toEqual([5, 3]);
    const report = () =>
      scene.operator.call("POST", "/admin/usage/events", {
        id: "e1",
        source: "/app",
        type: "jobs",
        subject: key.account,
        time: new Date(NOON).toISOString(),
        data: { value: 3 },
      });
    expect((await report()).status).toBe(200);
    clock.setMs(NOON + 40 * DAY_MS);
    expect([await passed(site, "/calls", 1), await credits(site)]).toEqual([1, 5]);
    // Nothing tells of a sweep; this takes as long as some of them.
    for (const end = performance.now() + 500; performance.now() < end; ) await used(site);
    clock.setMs(NOON);
    expect([(await report()).status, await credits(site)]).toEqual([200, 2]);
    expect(await used(site)).toMatchObject({ "calls hour": 5, "calls day": 5, "calls month": 5, "jobs day": 3 });
    expect([await passed(site, "/calls", 3), await passed(site, "/paid", 3)]).toEqual([1, 2]);
    expect(await ledgerUnits(scene.operator, key.account, "calls")).toBe(7);
    await until("a clean log", () => scene.gateway.logs().every(({ level }) => Number(level) < 50));
  },
);
