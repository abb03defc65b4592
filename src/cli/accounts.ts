/** `tollgate accounts …`, but for `bulk` (`accounts-bulk.ts`). */
import type { Command } from "commander";
import { addAccountsBulk } from "./accounts-bulk.ts";
import type { Json, Method } from "./admin-answer.ts";
import { withAdmin } from "./admin-client.ts";
import { type CommonOptions, print, table, withCommonOptions } from "./context.ts";
import { addImport } from "./import.ts";

interface ListOptions extends CommonOptions {
  readonly search?: string;
  readonly state?: string;
  readonly plan?: string;
  readonly sort?: string;
  readonly count?: boolean;
  readonly limit: string;
  readonly cursor?: string;
}

interface CreateOptions extends CommonOptions {
  readonly name: string;
  readonly plan?: string;
  readonly externalId?: string;
  readonly email?: string;
}

export function addAccounts(program: Command): void {
  const accounts = program.command("accounts").description("Accounts: who is charged and limited");
  withCommonOptions(accounts.command("create").description("Make an account"))
    .requiredOption("--name <name>", "display name")
    .option("--plan <plan>", "plan; left out, the default plan")
    .option("--external-id <id>", "the id your own systems know (the token's account claim)")
    .option("--email <address>", "where to write to")
    .action(create);
  withCommonOptions(accounts.command("list").description("List accounts"))
    .option("--search <text>", "with this text in the id, external id, name or e-mail")
    .option("--state <state>", "active, suspended or deleted; left out, all but the deleted")
    .option("--plan <plan>", "with this plan in force")
    .option("--sort <order>", "created, name or seen, with - the other way round")
    .option("--count", "say how many there are in all")
    .option("--limit <count>", "at most so many", "100")
    .option("--cursor <cursor>", "go on where the page with this nextCursor ended")
    .action(list);
  withCommonOptions(accounts.command("show <account>").description("Show an account and its usage")).action(
    async (id: string, options: CommonOptions) => {
      const account = await withAdmin(options, (admin) => admin.call("GET", pathOf(id)));
      print(options, account, lines(account));
    },
  );
  addChanges(accounts);
  addAccountsBulk(accounts);
  addImport(accounts, "accounts", "external_id, name, email, plan, state");
}

/** Commands that change one account and print it. */
function addChanges(accounts: Command): void {
  withCommonOptions(accounts.command("set-plan <account> <plan>").description("Give an account a plan"))
    .option("--for <duration>", "for so long, 30d for example; left out, for good")
    .option("--until <time>", "until this RFC 3339 time")
    .option("--then <plan>", "the plan that comes after; left out, the default plan")
    .action((id: string, plan: string, options: CommonOptions & { for?: string; until?: string; then?: string }) => {
      const term = given({ planDuration: options.for, planUntil: options.until, planAfter: options.then });
      return change(options, "PATCH", pathOf(id), { plan, ...term });
    });
  withCommonOptions(
    accounts.command("extend-trial <account> <duration>").description("Let a trial end later, by 14d for example"),
  ).action((id: string, extendTrial: string, options: CommonOptions) =>
    change(options, "PATCH", pathOf(id), { extendTrial }),
  );
  withCommonOptions(accounts.command("clear-limits <account>").description("Let an account's rates begin anew"))
    .option(
      "--rate <name>",
      "only this one, may be repeated",
      (name: string, names: readonly string[]) => [...names, name],
      [],
    )
    .action((id: string, options: CommonOptions & { rate: readonly string[] }) =>
      change(options, "POST", `${pathOf(id)}/clear-limits`, options.rate.length === 0 ? {} : { rates: options.rate }),
    );
  const withReason = (name: string, description: string, method: Method, path: (id: string) => string) =>
    withCommonOptions(accounts.command(`${name} <account>`).description(description))
      .option("--reason <text>", "why, for the audit log")
      .action((id: string, options: CommonOptions & { reason?: string }) =>
        change(options, method, path(id), given({ reason: options.reason })),
      );
  withReason("suspend", "Refuse every request of an account", "POST", (id) => `${pathOf(id)}/suspend`);
  withReason("activate", "Let a suspended account in again", "POST", (id) => `${pathOf(id)}/activate`);
  withReason("delete", "Delete an account and revoke its keys; its usage stays", "DELETE", pathOf);
  withCommonOptions(
    accounts.command("restore <account>").description("Take back a deletion; keys stay revoked"),
  ).action((id: string, options: CommonOptions) => change(options, "POST", `${pathOf(id)}/restore`));
}

async function change(options: CommonOptions, method: Method, path: string, body?: Json): Promise<void> {
  const account = await withAdmin(options, (admin) => admin.call(method, path, body));
  print(options, account, lines(account));
}

async function create(options: CreateOptions): Promise<void> {
  const { name, plan, externalId, email } = options;
  const body = { name, plan: plan ?? null, externalId: externalId ?? null, email: email ?? null };
  const account = await withAdmin(options, (admin) => admin.call("POST", "/admin/accounts", body));
  print(options, account, [`Account ${text(account.id)} made`, ...lines(account)]);
}

async function list(options: ListOptions): Promise<void> {
  const { search, state, plan, sort, limit, cursor } = options;
  const count = options.count === true ? "true" : undefined;
  const query = new URLSearchParams(given({ search, state, plan, sort, count, limit, cursor }));
  const page = await withAdmin(options, (admin) => admin.call("GET", `/admin/accounts?${query}`));
  // The admin API's lists hold objects in `data`.
  const rows = (page.data as readonly Json[]).map((account) =>
    [account.id, account.name, account.externalId, account.email, account.plan, account.state, account.lastSeenAt].map(
      text,
    ),
  );
  print(options, page, [
    ...table([["ID", "NAME", "EXTERNAL ID", "E-MAIL", "PLAN", "STATE", "LAST SEEN"], ...rows]),
    ...(page.total === undefined ? [] : [`${text(page.total)} in all`]),
    ...(page.nextCursor === null ? [] : [`There are more: --cursor ${text(page.nextCursor)}`]),
  ]);
}

function pathOf(id: string): string {
  return `/admin/accounts/${encodeURIComponent(id)}`;
}

/** The members that are there. */
function given(options: Readonly<Record<string, string | undefined>>): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(options).filter((entry): entry is [string, string] => entry[1] !== undefined),
  );
}

function lines(object: Json): readonly string[] {
  return Object.entries(object).map(([name, value]) => `  ${name}: ${text(value)}`);
}

function text(value: unknown): string {
  if (value === null || value === undefined) return "-";
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}
