/** `tollgate keys import FILE`: keys of another system by their hashes, as JSON (what the admin API takes) or CSV. */
import { readFileSync } from "node:fs";
import type { Command } from "commander";
import { withAdmin } from "./admin-client.ts";
import { CommandFault, type CommonOptions, print, withCommonOptions } from "./context.ts";

/** As many as the admin API takes at once. */
const STEP = 1000;
const COLUMNS = ["account", "name", "kind", "digest", "start", "roles", "scopes", "env", "expires"] as const;

type Row = Readonly<Partial<Record<(typeof COLUMNS)[number], string | undefined>>>;

export function addKeyImport(keys: Command): void {
  withCommonOptions(
    keys
      .command("import <file>")
      .description(
        `Take over keys of another system by their hashes: JSON, or CSV with the columns ${COLUMNS.join(", ")}`,
      ),
  ).action(importKeys);
}

async function importKeys(file: string, options: CommonOptions): Promise<void> {
  const text = readFileSync(file, "utf8");
  const all = file.endsWith(".csv") ? ofCsv(text) : ofJson(text);
  const made = await withAdmin(options, async (admin) => {
    const keys: unknown[] = [];
    for (let at = 0; at < all.length; at += STEP) {
      const { data } = await admin
        .call("POST", "/admin/keys/import", all.slice(at, at + STEP))
        .catch((error: unknown) => {
          const done = at === 0 ? "" : ` (the first ${at} keys are imported)`;
          throw new CommandFault(`${error instanceof Error ? error.message : String(error)}${done}`);
        });
      // The admin API's list of keys.
      keys.push(...(data as readonly unknown[]));
    }
    return keys;
  });
  print(options, { data: made }, [`${made.length} keys imported`]);
}

function ofJson(text: string): readonly unknown[] {
  const value: unknown = JSON.parse(text);
  return Array.isArray(value) ? value : [value];
}

/** Plain CSV (RFC 4180) with a heading; lists are separated by blanks. */
function ofCsv(text: string): readonly unknown[] {
  const [heading = [], ...rows] = csvRows(text);
  const unknown = heading.find((name) => !COLUMNS.some((column) => column === name));
  if (unknown !== undefined) throw new CommandFault(`Unknown column "${unknown}"; there are ${COLUMNS.join(", ")}`);
  return rows.map((cells, index) => {
    if (cells.length !== heading.length)
      throw new CommandFault(`Row ${index + 2} has ${cells.length} cells, the heading ${heading.length}`);
    return keyOf(Object.fromEntries(heading.map((name, column) => [name, cells[column]])));
  });
}

function keyOf({ account, name, kind, digest, start, roles, scopes, env, expires }: Row): unknown {
  const some = (more: Row) =>
    Object.fromEntries(Object.entries(more).filter(([, value]) => value !== undefined && value !== ""));
  const list = (cell: string | undefined) => (cell ?? "").split(" ").filter((item) => item !== "");
  return {
    account,
    ...some({ name, env, expires }),
    ...(list(roles).length === 0 ? {} : { roles: list(roles) }),
    ...(list(scopes).length === 0 ? {} : { scopes: list(scopes) }),
    hash: { kind, digest, ...some({ start }) },
  };
}

function csvRows(text: string): readonly (readonly string[])[] {
  const rows: string[][] = [];
  const cells = /("(?:[^"]|"")*"|[^",\r\n]*)(,|\r?\n|$)/gy;
  let row: string[] = [];
  while (cells.lastIndex < text.length) {
    const at = cells.lastIndex;
    const match = cells.exec(text);
    if (match === null) throw new CommandFault(`Row ${rows.length + 1} is no CSV: "${text.slice(at, at + 20)}"`);
    const [, cell = "", end] = match;
    row.push(cell.startsWith('"') ? cell.slice(1, -1).replaceAll('""', '"') : cell);
    if (end === ",") continue;
    if (row.length > 1 || row[0] !== "") rows.push(row);
    row = [];
  }
  return rows;
}
