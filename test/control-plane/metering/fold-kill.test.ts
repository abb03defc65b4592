/**
 * M2 where it can break: a process that folds is killed at random instants, 20 times with TOLLGATE_LONG=1 (CI), otherwise 6, and the ledger sums to what was
 * written. Not here: the whole gateway killed under load (`durability/kill.test.ts`).
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, test } from "vitest";
import { type Random, seededRandom } from "#test/support/random.ts";
import { charges, JournalSite } from "./journal-site.ts";

const CHILD = join(import.meta.dirname, "fold-child.ts");
const ROUNDS = process.env.TOLLGATE_LONG === "1" ? 20 : 6;
const SEGMENTS = 300;

/** Starts a fold and kills it up to `afterMs` after it began. True when it was done before. */
async function killedFold(root: string, afterMs: number): Promise<boolean> {
  const child = spawn(process.execPath, [CHILD, root], { stdio: ["ignore", "pipe", "inherit"] });
  let output = "";
  const closed = new Promise((resolve) => child.on("close", resolve));
  const began = new Promise<void>((resolve) => {
    child.stdout.setEncoding("utf8").on("data", (part: string) => {
      output += part;
      resolve();
    });
  });
  await Promise.race([began, closed]);
  await sleep(afterMs);
  child.kill("SIGKILL");
  await closed;
  return output.includes("folded");
}

/** Returns how many rounds were killed within the fold. */
async function surviveKills(random: Random, rounds: number): Promise<number> {
  await using site = await JournalSite.open();
  for (let index = 1; index <= SEGMENTS; index++) {
    site.write(`old-${index}-000001.journal`, charges(20, { account: `a${index % 3}` }), Buffer.from("torn"));
  }
  let within = 0;
  for (let round = 0; round < rounds; round++) {
    if (!(await killedFold(site.root, random.between(0, 60)))) within++;
    // What is finished so far is whole: a segment's records and its place in the store moved together.
    const sums = Object.values(await site.sums()).reduce((sum, [units]) => sum + units, 0);
    expect(sums).toBe(20 * Object.values(await site.segments()).filter(([bytes]) => bytes > 8).length);
  }
  await site.ledger({ run: "last" }).fold();
  const each = (SEGMENTS / 3) * 20;
  expect(await site.sums()).toEqual({ "a0 calls": [each, each], "a1 calls": [each, each], "a2 calls": [each, each] });
  return within;
}

test(`a fold killed at ${ROUNDS} random instants counts each record exactly once`, async () => {
  const random = seededRandom("fold killed");
  const within = await Promise.all([surviveKills(random, ROUNDS / 2), surviveKills(random, ROUNDS / 2)]);
  // Most kills are to fall into a fold; a round or two may find it done.
  expect(within.reduce((sum, count) => sum + count, 0)).toBeGreaterThanOrEqual(ROUNDS / 4);
}, 60_000);
