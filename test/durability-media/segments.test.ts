/** A segment that is there twice. The other ways to damage one are row L06 (`segments.ts`). */
import { copyFileSync } from "node:fs";
import { expect, test } from "vitest";
import { charges, JournalSite } from "../control-plane/metering/journal-site.ts";

const SEGMENT = "old-2-000001.journal";

test.each([
  "old-2-000001.journal.bak",
  "copy of old-2-000001.journal",
  "old-2-000001.journal~",
  "old-2-000001.journal.torn",
])("a copy of a segment under a name that no segment has counts nothing: %s", async (name) => {
  await using site = await JournalSite.open();
  site.write(SEGMENT, charges(3));
  copyFileSync(site.path(SEGMENT), site.path(name));
  await site.ledger().fold();
  expect(await site.sums()).toEqual({ "a calls": [3, 3] });
});
