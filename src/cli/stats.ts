/** `tollgate stats` */
import type { Command } from "commander";
import type { Json } from "./admin-answer.ts";
import { withAdmin } from "./admin-client.ts";
import { type CommonOptions, print, table, withCommonOptions } from "./context.ts";

interface StatsOptions extends CommonOptions {
  readonly from?: string;
  readonly to?: string;
}

export function addStats(program: Command): void {
  withCommonOptions(program.command("stats").description("Accounts, plans, sign-ups, calls, hits of limits and errors"))
    .option("--from <time>", "count calls from this RFC 3339 time; left out, 30 days ago")
    .option("--to <time>", "count calls up to this time")
    .action(async (options: StatsOptions) => {
      const { from, to } = options;
      const given = Object.entries({ from, to }).filter((entry): entry is [string, string] => entry[1] !== undefined);
      const stats = await withAdmin(options, (admin) =>
        admin.call("GET", `/admin/stats?${new URLSearchParams(given)}`),
      );
      print(options, stats, [
        `Accounts: ${facts(stats.accounts)}`,
        `Users: ${facts(stats.users)}`,
        `Calls: ${facts(stats.calls)}`,
        "",
        ...columns(stats.plans, "plan", "accounts", "calls"),
        ...traffic(stats.traffic),
      ]);
    });
}

function traffic(value: unknown): readonly string[] {
  if (typeof value !== "object" || value === null) return [];
  // As the admin API answers.
  const { since, limitHits, routes } = value as Json;
  const errors = columns(routes, "route", "requests", "clientErrors", "serverErrors");
  return ["", `Since ${String(since)}:`, `Hits of limits: ${facts(limitHits)}`, "", ...errors];
}

function facts(value: unknown): string {
  return Object.entries({ ...(value as Json) })
    .map(([name, fact]) => `${name} ${String(fact)}`)
    .join(", ");
}

function columns(value: unknown, ...names: readonly string[]): readonly string[] {
  // The admin API's lists hold objects.
  const rows = (value as readonly Json[]).map((row) => names.map((name) => String(row[name])));
  return table([names.map((name) => name.toUpperCase()), ...rows]);
}
