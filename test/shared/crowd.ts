/** Keys that meet in one set of a shared table, so that one of them can take the place of another. Shared by the tests of tables. */
import type { SlotKey } from "#shared/shared-table.ts";

/** Places of a set. */
export const WAYS = 16;
/** The smallest table: two sets. */
export const ENTRIES = 2 * WAYS;

/** `count` texts of the first set. `table` must have `ENTRIES` places. */
export function textsOfOneSet(table: { key(text: string): SlotKey }, count: number): readonly string[] {
  const texts: string[] = [];
  for (let number = 0; texts.length < count; number++) {
    const text = `client-${number}`;
    // The lowest bit of the second word chooses between two sets.
    if ((table.key(text).word1 & 1) === 0) texts.push(text);
  }
  return texts;
}
