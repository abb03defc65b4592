/** `tollgate keys import FILE`: keys of another system by their hashes, as JSON (what the admin API takes) or CSV. */
import type { Command } from "commander";
import { Refused, rowLine } from "./admin-answer.ts";
import { withAdmin } from "./admin-client.ts";
import { CommandFault, type CommonOptions, print, withCommonOptions } from "./context.ts";
import { bytesOf } from "./import.ts";
import type { CsvRow } from "#control-plane/imports/csv-table.ts";

/** As many as the admin API takes at once. */
const STEP = 10_000;
const COLUMNS = {
  required: ["account", "kind", "digest"],
  optional: ["name", "start", "roles", "scopes", "env", "expires"],
} as const;

export function addKeyImport(keys: Command): void {
  const columns = [...COLUMNS.required, ...COLUMNS.optional].join(", ");
  withCommonOptions(
    keys
      .command("import <file>")
      .description(`Take over keys of another system by their hashes: JSON, or CSV with the columns ${columns}`),
  ).action(importKeys);
}

/** Keys as the admin API takes them, and where in the file each of them is. */
interface ToImport {
  readonly keys: readonly unknown[];
  readonly placeOf: (index: number) => string;
}

async function importKeys(file: string, options: CommonOptions): Promise<void> {
  const bytes = bytesOf(file);
  const { keys: all, placeOf } = file.endsWith(".csv") ? await ofCsv(bytes) : ofJson(file, bytes);
  const made = await withAdmin(options, async (admin) => {
    const keys: unknown[] = [];
    for (let at = 0; at < all.length; at += STEP) {
      const { data } = await admin
        .call("POST", "/admin/keys/import", all.slice(at, at + STEP))
        .catch((error: unknown) => refuseFrom(error, at, placeOf));
      // The admin API's list of keys.
      keys.push(...(data as readonly unknown[]));
    }
    return keys;
  });
  print(options, { data: made }, [`${made.length} keys imported`]);
}

/** Says which key of the file is at fault, and what is done already: `at` keys. */
function refuseFrom(error: unknown, at: number, placeOf: (index: number) => string): never {
  const words = error instanceof Error ? error.message : String(error);
  const index = /^body\/(\d+)/.exec((error instanceof Refused ? error.path : null) ?? "")?.[1];
  const where = index === undefined ? "" : `${placeOf(at + Number(index))}: `;
  const done = at === 0 ? "Nothing was imported" : `The first ${at} keys are imported, none of the rest`;
  throw new CommandFault(`${done}. ${where}${words}`);
}

function ofJson(file: string, bytes: Buffer): ToImport {
  try {
    const value: unknown = JSON.parse(bytes.toString("utf8"));
    return { keys: Array.isArray(value) ? value : [value], placeOf: (index) => `Key ${index}` };
  } catch (error) {
    throw new CommandFault(`${file} is not JSON: ${error instanceof Error ? error.message : String(error)}`);
  }
}

async function ofCsv(bytes: Buffer): Promise<ToImport> {
  const { readCsv } = await import("#control-plane/imports/csv-table.ts");
  const { rows, faults } = await readCsv(bytes, COLUMNS);
  if (faults.length > 0) throw new CommandFault(["Nothing was imported:", ...faults.map(rowLine)].join("\n"));
  return { keys: rows.map(keyOf), placeOf: (index) => `Row ${rows[index]?.row}` };
}

/** Cells that are empty are left out; roles and scopes are separated by blanks. */
function keyOf({ cell }: CsvRow): unknown {
  const lists = { roles: listOf(cell("roles")), scopes: listOf(cell("scopes")) };
  const { account, name, env, expires, kind, digest, start } = Object.fromEntries(
    [...COLUMNS.required, ...COLUMNS.optional].map((column) => [column, cell(column) ?? undefined]),
  );
  return { account, name, env, expires, ...lists, hash: { kind, digest, start } };
}

function listOf(cell: string | null): readonly string[] | undefined {
  return cell === null ? undefined : cell.split(/\s+/);
}
