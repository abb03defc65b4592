/** `tollgate accounts …` */
import type { Command } from "commander";
import { withAdmin } from "./admin-client.ts";
import { type CommonOptions, print, table, withCommonOptions } from "./context.ts";

type Account = Readonly<Record<string, unknown>>;

export function addAccounts(program: Command): void {
  const accounts = program.command("accounts").description("Accounts: who is charged and limited");
  withCommonOptions(accounts.command("create").description("Make an account"))
    .requiredOption("--name <name>", "display name")
    .option("--plan <plan>", "plan; left out, the default plan")
    .option("--external-id <id>", "the id your own systems know (the token's account claim)")
    .action(async (options: CommonOptions & { name: string; plan?: string; externalId?: string }) => {
      const body = { name: options.name, plan: options.plan ?? null, externalId: options.externalId ?? null };
      const account = await withAdmin(options, (admin) => admin.call("POST", "/admin/accounts", body));
      print(options, account, [`Account ${text(account.id)} made`, ...lines(account)]);
    });
  withCommonOptions(accounts.command("list").description("List accounts"))
    .option("--limit <count>", "at most so many", "100")
    .option("--cursor <id>", "go on after this id")
    .action(async (options: CommonOptions & { limit: string; cursor?: string }) => {
      const query = new URLSearchParams({
        limit: options.limit,
        ...(options.cursor === undefined ? {} : { cursor: options.cursor }),
      });
      const page = await withAdmin(options, (admin) => admin.call("GET", `/admin/accounts?${query}`));
      // The admin API's lists hold objects in `data`.
      const rows = (page.data as readonly Account[]).map((account) => [
        text(account.id),
        text(account.name),
        text(account.externalId),
        text(account.plan),
        text(account.state),
      ]);
      print(options, page, table([["ID", "NAME", "EXTERNAL ID", "PLAN", "STATE"], ...rows]));
    });
  withCommonOptions(accounts.command("show <account>").description("Show an account and its usage")).action(
    async (id: string, options: CommonOptions) => {
      const shown = await withAdmin(options, async (admin) => {
        const account = await admin.call("GET", `/admin/accounts/${encodeURIComponent(id)}`);
        const usage = await admin.call("GET", `/admin/accounts/${encodeURIComponent(id)}/usage`);
        return { ...account, usage: usage.meters };
      });
      print(options, shown, lines(shown));
    },
  );
  change(accounts, "set-plan <account> <plan>", "Give an account a plan", (plan) => ({ plan: plan ?? null }));
  change(accounts, "suspend <account>", "Refuse every request of an account", () => ({ state: "suspended" }));
  change(accounts, "activate <account>", "Let a suspended account in again", () => ({ state: "active" }));
}

function change(
  accounts: Command,
  usage: string,
  description: string,
  patch: (argument: string | undefined) => Account,
): void {
  withCommonOptions(accounts.command(usage).description(description)).action(async (id: string, ...rest: unknown[]) => {
    const command = rest.at(-1);
    const argument = typeof rest[0] === "string" ? rest[0] : undefined;
    // commander hands the command itself as the last argument.
    const options = (command as Command).opts<CommonOptions>();
    const path = `/admin/accounts/${encodeURIComponent(id)}`;
    const account = await withAdmin(options, (admin) => admin.call("PATCH", path, patch(argument)));
    print(options, account, lines(account));
  });
}

function lines(object: Account): readonly string[] {
  return Object.entries(object).map(([name, value]) => `  ${name}: ${text(value)}`);
}

function text(value: unknown): string {
  if (value === null || value === undefined) return "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
