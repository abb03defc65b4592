/**
 * Every hostile request we know, on both lanes: nothing malformed or ambiguous is forwarded, nothing breaks, what is counted is what the
 * upstream saw, and what is let through is exactly the reviewed list: refusing everything does not pass either.
 */
import { describe, expect, test } from "vitest";
import { acceptedOn, readAccepted } from "./accepted.ts";
import { LANES } from "#test/support/lanes.ts";
import { Arena } from "./arena.ts";
import { type Case, readCorpus } from "./corpus.ts";
import { Figures, wrongs } from "./figures.ts";
import { ownCases } from "./own-cases.ts";

const corpus = readCorpus();
if (corpus === null)
  process.stdout.write("The corpus of hostile requests is not here: the project's own cases alone are tried\n");

const SETS: readonly (readonly ["corpus" | "cases", readonly Case[]])[] = [
  ["cases", ownCases()],
  ...(corpus === null ? [] : [["corpus", corpus] as const]),
];

describe.each(LANES)("lane %s", (lane) => {
  test.each(SETS)(
    "of the %s exactly those of the list are forwarded, and nothing that could be misread",
    async (name, cases) => {
      await using arena = await Arena.open(lane);
      const figures = new Figures();
      const result = await arena.send(cases.map(({ bytes }) => bytes));
      figures.add(result);
      process.stdout.write(`Lane ${lane}, ${name}: ${figures.text()}\n`);
      expect(await wrongs(figures, arena, (number) => cases[number]?.bytes ?? Buffer.alloc(0))).toEqual([]);
      const forwarded = result.outcomes.map(
        ({ messages }, index) => [messages.filter(({ whole }) => whole).length, cases[index]?.id] as const,
      );
      const lines = forwarded.filter(([count]) => count > 0).map(([count, id]) => `${count} ${id}`);
      expect(lines.toSorted()).toEqual(acceptedOn(lane, name));
    },
  );
});

test("an entry without a reason, or that is none, is refused", () => {
  expect(readAccepted("# Why\nboth 2 a b\nauto 1 c\n")).toEqual([
    { lanes: "both", messages: 2, id: "a b" },
    { lanes: "auto", messages: 1, id: "c" },
  ]);
  expect(() => readAccepted("# Why\n\nboth 1 a\n")).toThrow("no reason");
  expect(() => readAccepted("# Why\nboth 0 a\n")).toThrow("No accepted entry");
});
