/**
 * `kill -9` where a plan is half carried out: during a drain, and while a quota is being used up. The rounds at random instants
 * and at chosen system calls are rows of the attack tables, `test/threats/durability-kills.ts`.
 * 10 drains with TOLLGATE_LONG=1 (CI), 1 otherwise; the seed of the instants is printed, TOLLGATE_SEED repeats it.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { seededRandom } from "#test/support/random.ts";
import { until } from "#test/support/until.ts";
import { Site } from "./site.ts";
import { expectLedger, expectM1, Witness } from "./witness.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const DRAIN_ROUNDS = LONG ? 10 : 1;
/** On a machine that does much else besides. */
const LONG_TIMEOUT_MS = 120_000;
const BUSY_MACHINE_MS = 20_000;

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
      await until("a first answer", () => load.delivered.size > 0, BUSY_MACHINE_MS, 2);
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
    await until("some answers", () => load.complete.size > 20, BUSY_MACHINE_MS, 2);
    expect(await gateway.stop()).toBe(0);
    await load.ended();
    witness.add(load);
    expect(load.delivered).toEqual(load.complete);
    metered = expectM1(site, witness);
    // A drain folds before it ends.
    expect(await site.ledgerAlone()).toBe(metered);
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
    if (round <= 2) await until("some answers", () => load.delivered.size > random.between(20, 60), BUSY_MACHINE_MS, 2);
    else await until("refusals", () => load.refused.size > 0, BUSY_MACHINE_MS, 2);
    await gateway.kill();
    await load.ended();
    witness.add(load);
    refused = [...load.refused.values()].filter((status) => status === 429).length;
    expect(expectM1(site, witness)).toBeLessThanOrEqual(quota);
  }
  expect(witness.delivered.size).toBeLessThanOrEqual(quota);
  await using gateway = await site.start();
  const load = await site.load(gateway, "after", () => "/fast", 4);
  await until("refusals", () => load.refused.size > 0, BUSY_MACHINE_MS, 2);
  await load.stop();
  witness.add(load);
  // What was in flight at a kill came back to the quota; the rest of it was used up since, and nothing more.
  expect(expectM1(site, witness)).toBe(quota);
  await expectLedger(site, gateway, quota);
}, 60_000);
