/**
 * `kill -9` in rounds: the real process with two workers, killed under load and started again on the same data, and judged by
 * identity each time (`witness.ts`). Where it dies: at a random instant, while a fold is under way, at a chosen system call
 * within a ledger transaction, while it starts, while it drains; some journals get their end torn by hand before the next start.
 */
import { setTimeout as sleep } from "node:timers/promises";
import { needs } from "#test/support/needs.ts";
import type { Gateway } from "#test/support/process.ts";
import type { Random } from "#test/support/random.ts";
import { until } from "#test/support/until.ts";
import { tearTail } from "./journal.ts";
import type { Load } from "./load.ts";
import { Site, storeLog } from "./site.ts";
import { Strace } from "./strace.ts";
import { expectLedger, expectM1, Witness } from "./witness.ts";

const BUSY_MACHINE_MS = 20_000;

/** How the process of a round comes to its end. */
type Death = "anywhere" | "folding" | "in a ledger transaction" | "draining";

export interface RoundCounts {
  rounds: number;
  sent: number;
  delivered: number;
  metered: number;
  diedStarting: number;
  inTransaction: number;
  torn: number;
}

/** So many rounds on one data folder. Throws, by `expect`, when a guarantee does not hold. */
export async function killRounds(name: string, rounds: number, random: Random): Promise<RoundCounts> {
  await using site = await Site.open();
  const witness = new Witness();
  const counts: RoundCounts = { rounds, sent: 0, delivered: 0, metered: 0, diedStarting: 0, inTransaction: 0, torn: 0 };
  for (let round = 1; round <= rounds; round++) {
    // The start folds what the kill before left: the same data is judged after it died once more on the way.
    if (round % 6 === 3) {
      await site.dieWhileStarting(random.between(150, 1000));
      counts.diedStarting++;
    }
    await using gateway = await site.start();
    await expectLedger(site, gateway, counts.metered);
    const death = deathOf(round);
    const load = await killUnderLoad(site, gateway, `${name}-${round}`, death, random);
    witness.add(load);
    counts.metered = expectM1(site, witness);
    if (death === "in a ledger transaction") counts.inTransaction++;
    if (round % 4 === 2) {
      tearTail(site.dir, random);
      counts.torn++;
    }
  }
  await using gateway = await site.start();
  await expectLedger(site, gateway, counts.metered);
  return { ...counts, sent: witness.sent.size, delivered: witness.delivered.size };
}

function deathOf(round: number): Death {
  if (round % 4 === 1 && needs("strace")) return "in a ledger transaction";
  if (round % 4 === 3) return "folding";
  return round % 10 === 8 ? "draining" : "anywhere";
}

async function killUnderLoad(site: Site, gateway: Gateway, name: string, death: Death, random: Random): Promise<Load> {
  const load = await site.load(gateway, name, anyPath(random));
  // The first answers of a fresh process take their time: most kills are to fall behind them, some among them.
  if (death !== "anywhere" || random.between(0, 3) > 0) {
    await until("a first answer", () => load.delivered.size > 0, BUSY_MACHINE_MS, 2);
  }
  await sleep(random.between(0, 100));
  if (death === "in a ledger transaction") {
    await dieInTransaction(site, gateway, load, random);
    return load;
  }
  // A part is in the ledger already.
  if (random.between(0, 1) === 1) await site.read(gateway);
  const under = death === "folding" ? site.read(gateway).catch(() => undefined) : undefined;
  const stopped = death === "draining" ? gateway.stop() : undefined;
  await sleep(random.between(0, death === "draining" ? 100 : 20));
  await gateway.kill();
  await Promise.all([load.ended(), under, stopped]);
  return load;
}

/** Kinds of answers mixed, so that a kill falls before, at and within them. */
function anyPath(random: Random): () => string {
  return () =>
    random.pick(["/fast", "/fast", "/fast", "/fast", "/fast", "/fast", "/slow/3", "/slow/20", "/big", "/chunks"]);
}

/** Killed as it comes to a write or sync of the store's log: in most cases that is half a transaction. */
async function dieInTransaction(site: Site, gateway: Gateway, load: Load, random: Random): Promise<void> {
  const calls = random.pick(["pwrite64", "pwrite64", "pwrite64", "fsync"]);
  const effect = `signal=SIGKILL:when=${random.between(1, calls === "fsync" ? 3 : 12)}`;
  await using _strace = await Strace.attach(gateway.pid, [storeLog(site.dir)], [{ calls, effect }]);
  // Each reading folds what the load has brought since the last.
  const dies = () =>
    site.read(gateway).then(
      () => false,
      () => true,
    );
  await until("the kill", dies, BUSY_MACHINE_MS, 1);
  // Nobody but strace has ended it: its connections would stand for ever.
  await load.ended();
  await gateway.kill();
}
