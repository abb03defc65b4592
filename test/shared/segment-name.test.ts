/** Names of journal segments: each says run, writer and number, and nothing else in the folder passes for one. */
import { expect, test } from "vitest";
import { parseSegmentFile, segmentFile } from "#shared/segment-name.ts";

test.each([1, 12, 999_999, 1_000_000])("segment %i is found again by its name", (number) => {
  const name = { run: "0a1b2c3d4e5f6071", writer: 17, number };
  expect(parseSegmentFile(segmentFile(name))).toEqual(name);
});

test("names of one writer sort in the order they were begun", () => {
  const files = [1, 2, 10, 100].map((number) => segmentFile({ run: "a", writer: 2, number }));
  expect([...files].sort()).toEqual(files);
});

test.each(["", ".journal", "a-1.journal", "a-1-2", "a-1-2.journal.tmp", "A-1-2.journal", "a-x-2.journal", "../a-1-2.journal"])(
  "%j is no segment",
  (file) => {
    expect(parseSegmentFile(file)).toBeNull();
  },
); // biome-ignore format: one table
