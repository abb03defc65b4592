/**
 * L01, L02, L07: `kill -9` at random instants, at every system call that changes a file, and between journal and ledger. The
 * rounds themselves are in `test/durability/`. With TOLLGATE_LONG=1 (CI) there are some 250 random rounds and a round for every
 * call; otherwise a few of both. The seed of all choices is printed, TOLLGATE_SEED repeats it.
 */
import { expect } from "vitest";
import { type Random, seededRandom } from "#test/support/random.ts";
import { until } from "#test/support/until.ts";
import { type Outcome, type Point, Script } from "../durability/every-call.ts";
import { killRounds } from "../durability/kill-rounds.ts";
import { Site, storeLog } from "../durability/site.ts";
import { Strace } from "../durability/strace.ts";
import { expectLedger, expectM1, Witness } from "../durability/witness.ts";
import type { LoneRow } from "./runner.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
/** Data folders one after another, so that what is compared each round does not grow for ever. */
const FOLDERS = LONG ? 3 : 1;
const ROUNDS_EACH = LONG ? 42 : 3;
/** Gateways side by side: a start keeps one core busy for a second, and the smallest machine has two. */
const LANES = ["a", "b"];
const LONG_TIMEOUT_MS = 900_000;

export const DURABILITY_KILLS: readonly LoneRow[] = [
  {
    id: "L01",
    class: "durability",
    name: `kill -9 under load, ${LANES.length * FOLDERS * ROUNDS_EACH} rounds: delivered ≤ metered ≤ delivered + in flight, each record counts once`,
    timeoutMs: LONG_TIMEOUT_MS,
    proof: async () => {
      const random = seededRandom("kill under load");
      const began = performance.now();
      const lanes = LANES.map(async (lane) => {
        for (let folder = 1; folder <= FOLDERS; folder++) {
          const counts = await killRounds(`${lane}${folder}`, ROUNDS_EACH, random);
          expect(counts.metered).toBeGreaterThan(ROUNDS_EACH / 2);
          process.stdout.write(`${JSON.stringify(counts)}\n`);
        }
      });
      await Promise.all(lanes);
      process.stdout.write(`All rounds: ${Math.round((performance.now() - began) / 1000)} s\n`);
    },
  },
  {
    id: "L02",
    class: "durability",
    name: "SIGKILL at each write, sync, cut and removal of a file, one run of a script for each: nothing lost, nothing twice",
    needs: "strace",
    timeoutMs: LONG_TIMEOUT_MS,
    proof: async () => {
      await using script = await Script.open();
      const points = LONG ? await script.points() : somePoints(seededRandom("kill at a call"));
      const began = performance.now();
      const outcomes = await dieAtAll(script, points);
      const metered = await script.expectLedger();
      const count = (outcome: Outcome) => outcomes.filter((one) => one === outcome).length;
      const [starting, later, lived] = [count("died starting"), count("died later"), count("lived")];
      const seconds = Math.round((performance.now() - began) / 1000);
      process.stdout.write(
        `${starting} died starting, ${later} later, ${lived} lived; ${metered} metered; ${seconds} s\n`,
      );
      // Runs differ a little: the last pages of a checkpoint may be fewer than in the run that was counted.
      expect(lived).toBeLessThan(points.length / 4);
      expect(Math.min(starting, later, metered)).toBeGreaterThan(0);
    },
  },
  {
    id: "L07",
    class: "durability",
    name: "kill -9 between journal and ledger: the next start takes it all in, and a second look adds nothing",
    needs: "strace",
    timeoutMs: 120_000,
    proof: killBeforeFold,
  },
];

/** One of a start, one of the journal, the others of the first fold or soon after. The bounds are of the run as it is today. */
function somePoints(random: Random): readonly Point[] {
  const call = random.pick(["pwrite64", "pwrite64", "fsync"]);
  return [
    { of: "start", call: "pwrite64", when: random.between(1, 4) },
    { of: "life", call: "pwrite64", when: random.between(1, 12) },
    { of: "journal", call: "write", when: random.between(1, 5) },
    { of: "life", call, when: random.between(1, call === "fsync" ? 3 : 12) },
  ];
}

/** Runs the script for each point; what fails names the death that was judged. */
async function dieAtAll(script: Script, points: readonly Point[]): Promise<readonly Outcome[]> {
  const outcomes: Outcome[] = [];
  let last = "no death yet";
  for (const point of points) {
    const outcome = await script.dieAt(point).catch((error: unknown) => {
      throw new Error(`After ${last}, while on the way to ${JSON.stringify(point)}`, { cause: error });
    });
    last = `${JSON.stringify(point)}, which ${outcome}`;
    outcomes.push(outcome);
  }
  return outcomes;
}

async function killBeforeFold(): Promise<void> {
  await using site = await Site.open();
  const witness = new Witness();
  {
    await using gateway = await site.start();
    // No fold can end: so what the load leaves is in the journal only.
    const broken = { calls: "pwrite64", effect: "error=EIO" };
    await using strace = await Strace.attach(gateway.pid, [storeLog(site.dir)], [broken]);
    const load = await site.load(gateway, "unfolded", () => "/fast");
    await until("some answers", () => load.complete.size > 20, 20_000);
    await load.stop();
    await expect(site.read(gateway)).rejects.toThrow("answered 500");
    expect(strace.injected).toBeGreaterThan(0);
    await gateway.kill();
    witness.add(load);
    expect(load.complete).toEqual(load.sent);
  }
  const metered = expectM1(site, witness);
  expect(metered).toBe(witness.sent.size);
  expect(await site.ledgerAlone()).toBe(0);
  {
    await using gateway = await site.start();
    await expectLedger(site, gateway, metered);
    await gateway.kill();
  }
  expect(await site.ledgerAlone()).toBe(metered);
  await using gateway = await site.start();
  await expectLedger(site, gateway, metered);
}
