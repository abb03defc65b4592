/** Where commands look for a running gateway before they read a file any closer: never at another gateway's. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { dataFolderOf, plainDataFolderOf } from "#config/data-folder.ts";

const dir = mkdtempSync(join(tmpdir(), "tollgate-folder-"));
const file = join(dir, "gateway.yaml");
const missing = join(dir, "none.yaml");
afterAll(() => rmSync(dir, { recursive: true, force: true }));

const standard = join(dir, "data");

test.each([
  ["version: 1", standard, standard],
  ["version: 1\nstore: {}", standard, standard],
  ["store: { url: sqlite:other/x.db }", join(dir, "other"), join(dir, "other")],
  ["store: { url: sqlite:/srv/tollgate/x.db }", "/srv/tollgate", "/srv/tollgate"],
  // It may be anywhere: whoever listens in the standard folder may be somebody else's gateway.
  [`store: { url: "\${STORE_URL}" }`, null, standard],
  [`store: { url: "sqlite:\${DIR}/x.db" }`, null, join(dir, "${DIR}")],
  ["store: { url: 7 }", null, standard],
  ["store: [", null, standard],
])("%s", (text, plain, guess) => {
  writeFileSync(file, text);
  expect([plainDataFolderOf(file), dataFolderOf(file)]).toEqual([plain, guess]);
});

test("a file that is not there says nothing", () => {
  expect([plainDataFolderOf(missing), dataFolderOf(missing)]).toEqual([null, standard]);
});
