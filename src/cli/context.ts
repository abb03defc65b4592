/** What every command shares: options, output, and the end with the right exit code. Main thread. */
import type { Command } from "commander";
import type { Settings } from "#config/settings.ts";

/** A fault to print as it is, with exit code 1. */
export class CommandFault extends Error {
  override readonly name = "CommandFault";
}

export interface CommonOptions {
  readonly config: string;
  readonly json?: boolean;
}

/** Adds `-c FILE` and `--json`. */
export function withCommonOptions(command: Command): Command {
  return command.option("-c, --config <file>", "configuration file", "gateway.yaml").option("--json", "print JSON");
}

/** Rejects with ConfigFaults that name everything that is wrong. Loaded when it is asked for: not every command needs it. */
export async function settingsOf(options: CommonOptions): Promise<Settings> {
  const { loadSettings } = await import("#config/load.ts");
  return loadSettings(options.config);
}

/** Prints the object as JSON, or the lines for people. */
export function print(options: CommonOptions, value: unknown, lines: readonly string[]): void {
  const isJson = options.json === true;
  const text = isJson ? JSON.stringify(value, null, 2) : lines.map(shown).join("\n");
  if (isJson || lines.length > 0) write(`${isJson ? text.replaceAll(/[\u007f-\u009f]/g, escaped) : text}\n`);
}

/** To stdout. Where nobody reads on (`| head`) the command is over, without a word. */
export function write(text: string): void {
  if (process.stdout.listenerCount("error") === 0) process.stdout.on("error", endUnread);
  process.stdout.write(text);
}

function endUnread(error: NodeJS.ErrnoException): void {
  if (error.code !== "EPIPE") throw error;
  process.exit(0);
}

/** Customers choose names, and a terminal does what control characters in them say: they are written as in JSON, `\\u001b`. */
export function shown(line: string): string {
  return line.replaceAll(/\p{Cc}/gu, escaped);
}

function escaped(char: string): string {
  return `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`;
}

/** Columns padded to the widest cell; the first row is the heading. */
export function table(rows: readonly (readonly string[])[]): readonly string[] {
  const widths = (rows[0] ?? []).map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)));
  return rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
}

/** For an option that may be repeated. */
export function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}
