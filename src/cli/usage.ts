/** `tollgate usage` */
import { type Command, Option } from "commander";
import { USAGE_GRAINS } from "#control-plane/metering/usage-grains.ts";
import { withAdmin } from "./admin-client.ts";
import { type CommonOptions, print, table, withCommonOptions } from "./context.ts";

interface UsageOptions extends CommonOptions {
  readonly account?: string;
  readonly from?: string;
  readonly to?: string;
  readonly by: string;
}

export function addUsage(program: Command): void {
  withCommonOptions(
    program.command("usage").description("Usage by account, key, route, meter and time, from the ledger"),
  )
    .option("--account <account>", "only of this account")
    .option("--from <time>", "from this RFC 3339 time; left out, 31 days ago")
    .option("--to <time>", "up to this time")
    .addOption(
      new Option("--by <grain>", "lines for each minute, hour or day (UTC)").choices(USAGE_GRAINS).default("hour"),
    )
    .action(async (options: UsageOptions) => {
      const { account, from, to, by } = options;
      const given = Object.entries({ account, from, to, by }).filter(
        (entry): entry is [string, string] => entry[1] !== undefined,
      );
      const answer = await withAdmin(options, (admin) =>
        admin.call("GET", `/admin/usage?${new URLSearchParams(given)}`),
      );
      // The admin API's lists hold objects in `data`.
      const rows = (answer.data as readonly Readonly<Record<string, unknown>>[]).map((row) =>
        [row[by], row.account, row.key ?? "-", row.route, row.meter, row.units, row.requests].map(String),
      );
      print(
        options,
        answer,
        table([[by.toUpperCase(), "ACCOUNT", "KEY", "ROUTE", "METER", "UNITS", "REQUESTS"], ...rows]),
      );
      if (answer.truncated === true) process.stderr.write("There is more: narrow it with --account, --from or --to\n");
    });
}
