/**
 * Mutated requests by the thousand on both lanes: whatever of them is forwarded, nobody can misread it, and it is counted as what it is.
 * 1,000 streams a lane, 10,000 with TOLLGATE_LONG=1 (CI), any number with TOLLGATE_MUTATIONS; TOLLGATE_SEED repeats a run.
 */
import { describe, expect, test } from "vitest";
import { repeatableSeed } from "#test/support/random.ts";
import { LANES } from "#test/support/lanes.ts";
import { Arena } from "./arena.ts";
import { readCorpus } from "./corpus.ts";
import { Figures, wrongs } from "./figures.ts";
import { mutant, seedsOf } from "./mutations.ts";
import { ownCases } from "./own-cases.ts";

const STREAMS = Number(process.env.TOLLGATE_MUTATIONS ?? (process.env.TOLLGATE_LONG === "1" ? 10_000 : 1_000));
/** Streams that one gateway gets: its log is kept in memory. */
const ROUND = 25_000;
/** A guard against hanging; a stream takes about half a millisecond. */
const TIMEOUT_MS = 60_000 + STREAMS * 4;

const others = [...ownCases(), ...(readCorpus() ?? [])].map(({ bytes }) => bytes);
/** The same streams in every run, so that a failure is the change's; another seed makes others. */
const seed = repeatableSeed;

describe.each(LANES)("lane %s", (lane) => {
  test(`of ${STREAMS} mutated streams nothing is forwarded that could be misread or is not counted`, {
    timeout: TIMEOUT_MS,
  }, async () => {
    const total = new Figures();
    for (let first = 0; first < STREAMS; first += ROUND) {
      const figures = await round(lane, first, Math.min(ROUND, STREAMS - first));
      total.addAll(figures);
      process.stdout.write(`Lane ${lane}, mutations, TOLLGATE_SEED=${seed}: ${total.text()}\n`);
    }
    // Streams that are all refused would prove nothing.
    expect(total.accepted).toBeGreaterThan(STREAMS / 10);
    expect(total.streams - total.accepted).toBeGreaterThan(STREAMS / 10);
  });
});

async function round(lane: (typeof LANES)[number], first: number, count: number): Promise<Figures> {
  await using arena = await Arena.open(lane);
  const seeds = seedsOf(others, arena.key);
  const stream = (number: number) => mutant(seeds, seed, number);
  const figures = new Figures();
  figures.add(await arena.send(Array.from({ length: count }, (_, index) => stream(first + index))), first);
  expect(await wrongs(figures, arena, stream), `TOLLGATE_SEED=${seed}`).toEqual([]);
  return figures;
}

test("a seed and a number always make the same stream", () => {
  const seeds = seedsOf(others, "key");
  expect(mutant(seeds, 7, 13)).toEqual(mutant(seeds, 7, 13));
  expect(
    new Set(Array.from({ length: 1000 }, (_, number) => mutant(seeds, 7, number).toString("latin1"))).size,
  ).toBeGreaterThan(950);
});
