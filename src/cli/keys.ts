/** `tollgate keys …` */
import type { Command } from "commander";
import { withAdmin } from "./admin-client.ts";
import { type CommonOptions, print, table, withCommonOptions } from "./context.ts";

interface CreateOptions extends CommonOptions {
  readonly account: string;
  readonly name?: string;
  readonly role: readonly string[];
  readonly scope: readonly string[];
  readonly env: string;
  readonly expires?: string;
}

export function addKeys(program: Command): void {
  const keys = program.command("keys").description("API keys");
  withCommonOptions(keys.command("create").description("Make a key; its secret is shown once"))
    .requiredOption("--account <account>", "account id or external id")
    .option("--name <name>", "display name")
    .option("--role <role>", "role of the key, may be repeated", collect, [])
    .option("--scope <scope>", "scope the key is narrowed to, may be repeated", collect, [])
    .option("--env <env>", "live, test or dev", "live")
    .option("--expires <duration>", "life of the key, 30d for example")
    .action(create);
  withCommonOptions(keys.command("list").description("List keys"))
    .option("--account <account>", "only of this account")
    .option("--limit <count>", "at most so many", "100")
    .option("--cursor <id>", "go on after this id")
    .action(list);
  withCommonOptions(keys.command("revoke <id>").description("Revoke a key, from the next request on")).action(
    async (id: string, options: CommonOptions) => {
      const key = await withAdmin(options, (admin) => admin.call("DELETE", `/admin/keys/${encodeURIComponent(id)}`));
      print(options, key, [`Key ${String(key.id)} is revoked`]);
    },
  );
}

function collect(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function create(options: CreateOptions): Promise<void> {
  const { account, name, role, scope, env, expires } = options;
  const body = {
    account,
    name: name ?? null,
    roles: role,
    scopes: scope.length === 0 ? null : scope,
    env,
    ...(expires === undefined ? {} : { expires }),
  };
  const key = await withAdmin(options, (admin) => admin.call("POST", "/admin/keys", body));
  print(options, key, [`Key ${String(key.id)} made. Its secret, shown only now:`, String(key.key)]);
}

async function list(options: CommonOptions & { account?: string; limit: string; cursor?: string }): Promise<void> {
  const { account, limit, cursor } = options;
  const query = new URLSearchParams({
    limit,
    ...(account === undefined ? {} : { account }),
    ...(cursor === undefined ? {} : { cursor }),
  });
  const page = await withAdmin(options, (admin) => admin.call("GET", `/admin/keys?${query}`));
  // The admin API's lists hold objects in `data`.
  const rows = (page.data as readonly Readonly<Record<string, unknown>>[]).map((key) =>
    [key.id, key.masked, key.account, key.roles, key.revokedAt ?? key.expiresAt ?? ""].map(String),
  );
  print(options, page, table([["ID", "KEY", "ACCOUNT", "ROLES", "REVOKED OR EXPIRES"], ...rows]));
}
