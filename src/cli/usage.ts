/** `tollgate usage` */
import type { Command } from "commander";
import { withAdmin } from "./admin-client.ts";
import { type CommonOptions, print, table, withCommonOptions } from "./context.ts";

interface UsageOptions extends CommonOptions {
  readonly account?: string;
  readonly from?: string;
  readonly to?: string;
}

export function addUsage(program: Command): void {
  withCommonOptions(
    program.command("usage").description("Usage by account, key, route, meter and hour, from the ledger"),
  )
    .option("--account <account>", "only of this account")
    .option("--from <time>", "from this RFC 3339 time; left out, 31 days ago")
    .option("--to <time>", "up to this time")
    .action(async (options: UsageOptions) => {
      const { account, from, to } = options;
      const given = Object.entries({ account, from, to }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      );
      const answer = await withAdmin(options, (admin) =>
        admin.call("GET", `/admin/usage?${new URLSearchParams(given)}`),
      );
      // The admin API's lists hold objects in `data`.
      const rows = (answer.data as readonly Readonly<Record<string, unknown>>[]).map((row) =>
        [row.hour, row.account, row.key ?? "-", row.route, row.meter, row.units, row.requests].map(String),
      );
      print(options, answer, table([["HOUR", "ACCOUNT", "KEY", "ROUTE", "METER", "UNITS", "REQUESTS"], ...rows]));
      if (answer.truncated === true) process.stderr.write("There is more: narrow it with --account, --from or --to\n");
    });
}
