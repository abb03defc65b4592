/** `tollgate reconcile` */
import type { Command } from "commander";
import { withAdmin } from "./admin-client.ts";
import { CommandFault, type CommonOptions, print, withCommonOptions } from "./context.ts";

type Json = Readonly<Record<string, unknown>>;

export function addReconcile(program: Command): void {
  withCommonOptions(
    program
      .command("reconcile")
      .description("Recompute usage: the ledger from the journal, sums from the ledger; prints every difference"),
  ).action(async (options: CommonOptions) => {
    const answer = await withAdmin(options, (admin) => admin.call("GET", "/admin/reconcile"));
    print(options, answer, lines(answer));
    const count = Number(answer.differenceCount);
    if (count > 0) throw new CommandFault(count === 1 ? "1 difference" : `${count} differences`);
  });
}

function lines({ journal, windows, live, differences, differenceCount }: Json): readonly string[] {
  const listed = differences as readonly Json[]; // The admin API's list of differences.
  const more = Number(differenceCount) - listed.length;
  return [
    `Journal and reported usage, from ${text(objectOf(journal).from)} on: ${counts(journal)}`,
    `Minute rows, by window: ${counts(windows)}`,
    live === null ? "Live counters: no gateway runs" : `Live counters: ${counts(live)}`,
    ...listed.map(
      ({ kind, where, expected, found }) =>
        `DIFFERENCE ${text(kind)} ${place(where)}: expected ${text(expected)}, found ${text(found)}`,
    ),
    ...(more > 0 ? [`… and ${more} more`] : []),
    ...(listed.length === 0 ? ["No difference"] : []),
  ];
}

/** What was compared, `minuteRows 12` and so on. */
function counts(part: unknown): string {
  return Object.entries(objectOf(part))
    .flatMap(([name, value]) => (typeof value === "number" ? [`${name} ${value}`] : []))
    .join(", ");
}

function place(where: unknown): string {
  return Object.entries(objectOf(where))
    .map(([name, value]) => `${name}=${text(value)}`)
    .join(" ");
}

function objectOf(value: unknown): Json {
  return typeof value === "object" && value !== null ? (value as Json) : {};
}

function text(value: unknown): string {
  if (value === null || value === undefined) return "none";
  return value === "" ? '""' : String(value);
}
