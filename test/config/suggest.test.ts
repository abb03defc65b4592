import { expect, test } from "vitest";
import { didYouMean, meanOrList, nearestWord } from "#config/suggest.ts";

test("the nearest known word is found whatever its case", () => {
  expect(nearestWord("Metods", ["match", "methods", "meters"])).toBe("methods");
});

test("a swap of two neighbours counts as one edit", () => {
  expect(nearestWord("atuo", ["full", "auto"])).toBe("auto");
});

test("a word that is far from all is not guessed", () => {
  expect(nearestWord("zebra", ["match", "methods"])).toBeNull();
  expect(nearestWord("", ["match"])).toBeNull();
});

test("a hint names the nearest word, else the few known ones", () => {
  expect(didYouMean("ap", ["app"])).toBe('did you mean "app"?');
  expect(meanOrList("zebra", ["a1", "b1"], "plans")).toBe("known plans: a1, b1");
  expect(meanOrList("zebra", [], "plans")).toBe("there are no plans");
});
