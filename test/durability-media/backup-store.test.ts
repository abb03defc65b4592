/** What a copy does about segments that change under it, in process: too short a moment to be met from outside. */
import { existsSync, mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import SQLite from "better-sqlite3";
import { afterEach, beforeEach, expect, test } from "vitest";
import { backUp } from "#control-plane/store/backup.ts";
import { charges, JournalSite, recordOf } from "../control-plane/metering/journal-site.ts";

let root = "";
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tollgate-copies-"));
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

/** Begins a copy of the site, and does `meanwhile` when its cut has been made and no segment is copied yet. */
async function copyAnd(site: JournalSite, dir: string, meanwhile: () => void): Promise<void> {
  const copied = backUp({ file: join(site.root, "tollgate.db"), dataDir: site.root }, dir);
  const isCut = () => readdirSync(dirname(dir)).some((name) => existsSync(join(dirname(dir), name, "tollgate.db")));
  while (!isCut()) await new Promise((resolve) => setImmediate(resolve));
  meanwhile();
  await copied;
}

test("what is appended after the cut is not in the copy, nor are units of it", async () => {
  await using site = await JournalSite.open();
  const dir = join(root, "copy");
  site.write("old-2-000001.journal", charges(3));
  const before = readFileSync(site.path("old-2-000001.journal"));
  await copyAnd(site, dir, () => {
    for (const one of charges(5)) site.append("old-2-000001.journal", recordOf(one));
  });
  expect(readFileSync(join(dir, "journal", "old-2-000001.journal"))).toEqual(before);
  await using copy = await JournalSite.open(dir);
  await copy.ledger().fold();
  expect(await copy.sums()).toEqual({ "a calls": [3, 3] });
});

test("a finished segment that is removed meanwhile is marked as removed in the copy, and counts there", async () => {
  await using site = await JournalSite.open();
  const dir = join(root, "copy");
  site.write("old-2-000001.journal", charges(3));
  site.write("old-3-000001.journal", charges(4));
  await site.ledger().fold();
  await copyAnd(site, dir, () => rmSync(site.path("old-2-000001.journal")));
  expect(readdirSync(join(dir, "journal"))).toEqual(["old-3-000001.journal"]);
  const store = new SQLite(join(dir, "tollgate.db"));
  const marks = store.prepare("SELECT deleted, last_ms > 0 FROM journal_segments ORDER BY file").raw().all();
  store.close();
  expect(marks).toEqual([
    [1, 1],
    [0, 1],
  ]);
  await using copy = await JournalSite.open(dir);
  await copy.ledger({ run: "next" }).fold();
  expect(await copy.sums()).toEqual({ "a calls": [7, 7] });
});

test("a segment that is removed before the ledger has it is a fault, and there is no copy", async () => {
  await using site = await JournalSite.open();
  const dir = join(root, "copy");
  site.write("old-2-000001.journal", charges(3));
  const copied = copyAnd(site, dir, () => rmSync(site.path("old-2-000001.journal")));
  await expect(copied).rejects.toThrow("ENOENT");
  expect(readdirSync(root)).toEqual([]);
});
