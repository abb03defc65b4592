/** `tollgate accounts import FILE` and `tollgate users import FILE`. */
import { isUtf8 } from "node:buffer";
import { readFileSync } from "node:fs";
import { type Command, Option } from "commander";
import { withAdmin } from "./admin-client.ts";
import { CommandFault, type CommonOptions, print, withCommonOptions } from "./context.ts";

interface ImportOptions extends CommonOptions {
  readonly onConflict: string;
  readonly dryRun?: boolean;
}

/** Adds `import` to `tollgate accounts` or `tollgate users`. */
export function addImport(parent: Command, what: "accounts" | "users", columns: string): void {
  const choices = new Option("--on-conflict <what>", "what becomes of external ids that are there")
    .choices(["error", "skip", "update"])
    .default("error");
  withCommonOptions(
    parent.command("import <file>").description(`Import a CSV file, all rows or none; columns ${columns}`),
  )
    .addOption(choices)
    .option("--dry-run", "only say what would be done")
    .action(async (file: string, options: ImportOptions) => {
      const query = new URLSearchParams({ onConflict: options.onConflict, dryRun: String(options.dryRun === true) });
      const text = read(file);
      const outcome = await withAdmin(options, (admin) => admin.call("POST", `/admin/${what}/import?${query}`, text));
      const { rows, created, updated, unchanged } = outcome;
      const would = options.dryRun === true ? "Nothing was done; it would be: " : "";
      print(options, outcome, [
        `${would}${String(rows)} rows, ${String(created)} created, ${String(updated)} updated, ${String(unchanged)} unchanged`,
      ]);
    });
}

function read(file: string): string {
  const bytes = bytesOf(file);
  if (!isUtf8(bytes)) throw new CommandFault(`${file} is not UTF-8`);
  return bytes.toString("utf8");
}

export function bytesOf(file: string): Buffer {
  try {
    return readFileSync(file);
  } catch (error) {
    throw new CommandFault(`Cannot read ${file}: ${error instanceof Error ? error.message : String(error)}`);
  }
}
