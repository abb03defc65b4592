/**
 * Guarantees M1 and M2 against `kill -9`: the real process with two workers, killed at random instants under load and
 * started again on the same data. Identities are compared, not only counts: what was delivered is in the journal, what is in
 * the journal reached the upstream, nothing stands there twice, and the ledger and the counters hold exactly the journal.
 * 50 rounds with TOLLGATE_LONG=1 (CI), 8 otherwise; the seed of the instants is printed, TOLLGATE_SEED repeats it.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import SQLite from "better-sqlite3";
import { expect, test } from "vitest";
import type { Gateway } from "#test/support/process.ts";
import { type Random, seededRandom } from "#test/support/random.ts";
import { journaledIds } from "./journal.ts";
import type { Load } from "./load.ts";
import { Site } from "./site.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const ROUNDS = LONG ? 50 : 8;
const DRAIN_ROUNDS = LONG ? 10 : 2;
/** Fifty rounds on a machine that does much else besides. */
const LONG_TIMEOUT_MS = 600_000;
const MAIN = join(import.meta.dirname, "..", "..", "src", "main.ts");

/** What all loads against one data folder remember together. */
class Witness {
  readonly sent = new Set<string>();
  readonly delivered = new Set<string>();

  add(load: Load): void {
    for (const id of load.sent) this.sent.add(id);
    for (const id of load.delivered) this.delivered.add(id);
  }
}

/** M1 by identity. Returns how many requests are metered. */
function expectM1(site: Site, witness: Witness): number {
  const journaled = journaledIds(site.dir);
  const metered = new Set(journaled);
  const received = new Set(site.upstream.requests.map((request) => request.headers["x-request-id"] ?? ""));
  expect({
    meteredTwice: journaled.length - metered.size,
    deliveredUnmetered: [...witness.delivered.difference(metered)],
    meteredUnsent: [...metered.difference(witness.sent)],
    meteredUnforwarded: [...metered.difference(received)],
  }).toEqual({ meteredTwice: 0, deliveredUnmetered: [], meteredUnsent: [], meteredUnforwarded: [] });
  return metered.size;
}

/** M2 and the counters: the ledger is the journal, seen twice. */
async function expectLedger(site: Site, gateway: Gateway, metered: number): Promise<void> {
  expect(await site.read(gateway)).toEqual({ ledger: metered, counter: metered });
  expect(await site.read(gateway)).toEqual({ ledger: metered, counter: metered });
}

/** Kinds of answers mixed, so that a kill falls before, at and within them. */
function anyPath(random: Random): () => string {
  return () => random.pick(["/fast", "/fast", "/fast", "/slow/3", "/slow/20", "/big", "/chunks"]);
}

/** A start that does not live to be ready, killed while it recovers or shortly before or after. */
async function dieWhileStarting(site: Site, afterMs: number): Promise<void> {
  const child = spawn(process.execPath, [MAIN, "start", "-c", join(site.dir, "gateway.yaml")], { stdio: "ignore" });
  const closed = new Promise((resolve) => child.on("close", resolve));
  await sleep(afterMs);
  child.kill("SIGKILL");
  await closed;
}

test(
  `kill -9 under load, ${ROUNDS} rounds: delivered ≤ metered ≤ delivered + in flight, each record counts once`,
  async () => {
    const random = seededRandom("kill under load");
    await using site = await Site.open();
    const witness = new Witness();
    let metered = 0;
    let inFlight = 0;
    for (let round = 1; round <= ROUNDS; round++) {
      // The start folds what the kill before left: the same data is judged after it died once more on the way.
      if (round % 4 === 0) await dieWhileStarting(site, random.between(150, 700));
      await using gateway = await site.start();
      await expectLedger(site, gateway, metered);
      const load = await site.load(gateway, `r${round}`, anyPath(random));
      // The first answers of a fresh process take their time: most kills are to fall behind them, some among them.
      if (round % 4 !== 3) await until(() => load.delivered.size > 0);
      await sleep(random.between(0, 200));
      // In every second round a part is in the ledger already, and in every third a fold is under way when the process dies.
      if (round % 2 === 0) await site.read(gateway);
      const folding = round % 3 === 0 ? site.read(gateway).catch(() => undefined) : undefined;
      await sleep(random.between(0, 20));
      await gateway.kill();
      await Promise.all([load.ended(), folding]);
      witness.add(load);
      inFlight += load.sent.size - load.delivered.size;
      metered = expectM1(site, witness);
      expect(metered).toBeLessThanOrEqual(witness.delivered.size + inFlight);
    }
    await using gateway = await site.start();
    await expectLedger(site, gateway, metered);
    const usage = await gateway.cli("usage", "--json");
    expect(usage.json()).toMatchObject({ data: [{ meter: "calls", route: "all" }], truncated: false });
    expect(metered).toBeGreaterThan(ROUNDS * 8);
    const { delivered, sent } = witness;
    process.stdout.write(`${ROUNDS} rounds: ${sent.size} sent, ${metered} metered, ${delivered.size} delivered\n`);
  },
  LONG_TIMEOUT_MS,
);

test("a kill between journal and fold loses nothing", async () => {
  await using site = await Site.open();
  const witness = new Witness();
  for (let attempt = 1; ; attempt++) {
    await using gateway = await site.start();
    const load = await site.load(gateway, `a${attempt}`, () => "/fast");
    await until(() => load.complete.size > 20);
    await load.stop();
    await gateway.kill();
    witness.add(load);
    expect(load.complete).toEqual(load.sent);
    // The background fold runs each second and may have been faster on a busy machine: then once more.
    const metered = expectM1(site, witness);
    if (ledgerOf(site) < metered) break;
    expect(attempt).toBeLessThan(20);
  }
  await using gateway = await site.start();
  await expectLedger(site, gateway, witness.sent.size);
}, 60_000);

/** Units in the ledger as the dead process left it. */
function ledgerOf(site: Site): number {
  const db = new SQLite(join(site.dir, "data", "tollgate.db"), { readonly: true });
  try {
    return db.prepare<[], number>("SELECT coalesce(sum(units), 0) FROM usage_hours").pluck().get() ?? -1;
  } finally {
    db.close();
  }
}

test(
  `kill -9 during a drain, ${DRAIN_ROUNDS} rounds: the guarantees hold, and what a full drain ended was delivered`,
  async () => {
    const random = seededRandom("kill during drain");
    await using site = await Site.open();
    const witness = new Witness();
    let metered = 0;
    for (let round = 1; round <= DRAIN_ROUNDS; round++) {
      await using gateway = await site.start();
      await expectLedger(site, gateway, metered);
      const load = await site.load(gateway, `d${round}`, () =>
        random.pick(["/fast", "/slow/100", "/slow/400", "/big"]),
      );
      await until(() => load.delivered.size > 0);
      await sleep(random.between(0, 50));
      const stopped = gateway.stop();
      await sleep(random.between(0, 500));
      await gateway.kill();
      await Promise.all([stopped, load.ended()]);
      witness.add(load);
      metered = expectM1(site, witness);
    }
    // And one drain that nobody disturbs: every request sent is answered whole, with exit 0.
    await using gateway = await site.start();
    const load = await site.load(gateway, "drained", () => random.pick(["/fast", "/slow/100", "/chunks"]));
    await until(() => load.complete.size > 20);
    expect(await gateway.stop()).toBe(0);
    await load.ended();
    witness.add(load);
    expect(load.delivered).toEqual(load.complete);
    metered = expectM1(site, witness);
    // A drain folds before it ends.
    expect(ledgerOf(site)).toBe(metered);
  },
  LONG_TIMEOUT_MS,
);

test("a quota is used up exactly, however often the process is killed on the way", async () => {
  const random = seededRandom("quota across kills");
  const quota = 400;
  await using site = await Site.open({ quota });
  const witness = new Witness();
  let refused = 0;
  for (let round = 1; refused === 0; round++) {
    await using gateway = await site.start();
    const load = await site.load(gateway, `q${round}`, () => "/fast");
    if (round <= 2) await until(() => load.delivered.size > random.between(20, 60));
    else await until(() => load.refused.size > 0);
    await gateway.kill();
    await load.ended();
    witness.add(load);
    refused = [...load.refused.values()].filter((status) => status === 429).length;
    expect(expectM1(site, witness)).toBeLessThanOrEqual(quota);
  }
  expect(witness.delivered.size).toBeLessThanOrEqual(quota);
  await using gateway = await site.start();
  const load = await site.load(gateway, "after", () => "/fast", 4);
  await until(() => load.refused.size > 0);
  await load.stop();
  witness.add(load);
  // What was in flight at a kill came back to the quota; the rest of it was used up since, and nothing more.
  expect(expectM1(site, witness)).toBe(quota);
  await expectLedger(site, gateway, quota);
}, 60_000);

/** Looks every 2 ms; the test's own timeout is the limit. */
async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await sleep(2);
}
