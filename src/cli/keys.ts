/** `tollgate keys …` */
import type { Command } from "commander";
import { withAdmin } from "./admin-client.ts";
import { addKeyImport } from "./keys-import.ts";
import { collect, type CommonOptions, print, settingsOf, table, withCommonOptions } from "./context.ts";

type Json = Readonly<Record<string, unknown>>;

interface CreateOptions extends CommonOptions {
  readonly account: string;
  readonly name?: string;
  readonly role: readonly string[];
  readonly scope: readonly string[];
  readonly route: readonly string[];
  readonly method: readonly string[];
  readonly address: readonly string[];
  readonly env?: string;
  readonly expires?: string;
}

interface ListOptions extends CommonOptions {
  readonly account?: string;
  readonly state?: string;
  readonly search?: string;
  readonly limit: string;
  readonly cursor?: string;
}

export function addKeys(program: Command): void {
  const keys = program.command("keys").description("API keys");
  withCommonOptions(keys.command("create").description("Make a key; its secret is shown once"))
    .requiredOption("--account <account>", "account id or external id")
    .option("--name <name>", "display name")
    .option("--role <role>", "role of the key, may be repeated", collect, [])
    .option("--scope <scope>", "scope the key is narrowed to, may be repeated", collect, [])
    .option("--route <name>", "route the key is good for, may be repeated", collect, [])
    .option("--method <method>", "method the key is good for, may be repeated", collect, [])
    .option("--address <address>", "address or CIDR block the key is good for, may be repeated", collect, [])
    .option("--env <env>", "live, test or dev")
    .option("--expires <duration>", "life of the key, 30d for example")
    .action(create);
  withCommonOptions(keys.command("list").description("List keys"))
    .option("--account <account>", "only of this account")
    .option("--state <state>", "only active, disabled, expired or revoked ones")
    .option("--search <text>", "only with this in their name, or beginning like this")
    .option("--limit <count>", "at most so many", "100")
    .option("--cursor <id>", "go on after this id")
    .action(list);
  withCommonOptions(keys.command("show <id>").description("Show a key, without its secret")).action(show);
  withCommonOptions(keys.command("rotate <id>").description("Give a key a new secret, shown once"))
    .option("--overlap <duration>", "how long the old one stays good", "24h")
    .action(rotate);
  withCommonOptions(keys.command("rename <id> <name>").description("Give a key another name")).action(
    async (id: string, name: string, options: CommonOptions) => change(id, { name }, "renamed", options),
  );
  withCommonOptions(keys.command("enable <id>").description("Switch a key on again")).action(
    async (id: string, options: CommonOptions) => change(id, { enabled: true }, "enabled", options),
  );
  withCommonOptions(keys.command("disable <id>").description("Switch a key off, from the next request on")).action(
    async (id: string, options: CommonOptions) => change(id, { enabled: false }, "disabled", options),
  );
  withCommonOptions(keys.command("revoke <id>").description("Revoke a key for good, from the next request on")).action(
    revoke,
  );
  addKeyImport(keys);
  withCommonOptions(
    keys.command("pattern").description("Print what finds keys in text, a regular expression a line"),
  ).action(pattern);
}

async function create(options: CreateOptions): Promise<void> {
  const { account, name, role, scope, route, method, address, env, expires } = options;
  const body = {
    account,
    name: name ?? null,
    roles: role,
    scopes: someOrNull(scope),
    routes: someOrNull(route),
    methods: someOrNull(method),
    addresses: someOrNull(address),
    ...(env === undefined ? {} : { env }),
    ...(expires === undefined ? {} : { expires }),
  };
  const key = await withAdmin(options, (admin) => admin.call("POST", "/admin/keys", body));
  print(options, key, [`Key ${String(key.id)} made. Its secret, shown only now:`, String(key.key)]);
}

function someOrNull(items: readonly string[]): readonly string[] | null {
  return items.length === 0 ? null : items;
}

async function list(options: ListOptions): Promise<void> {
  const { account, state, search, limit, cursor } = options;
  const query = new URLSearchParams({ limit });
  for (const [key, value] of Object.entries({ account, state, search, cursor }))
    if (value !== undefined) query.set(key, value);
  const page = await withAdmin(options, (admin) => admin.call("GET", `/admin/keys?${query}`));
  // The admin API's lists hold objects in `data`.
  const rows = (page.data as readonly Json[]).map((key) =>
    [key.id, key.masked, key.account, key.name ?? "", key.state, key.lastUsedAt ?? "never"].map(String),
  );
  print(options, page, table([["ID", "KEY", "ACCOUNT", "NAME", "STATE", "LAST USED"], ...rows]));
}

async function show(id: string, options: CommonOptions): Promise<void> {
  const key = await withAdmin(options, (admin) => admin.call("GET", pathOf(id)));
  const lines = Object.entries(key).map(([name, value]) => [
    name,
    typeof value === "string" ? value : JSON.stringify(value),
  ]);
  print(options, key, table(lines));
}

async function rotate(id: string, options: CommonOptions & { readonly overlap: string }): Promise<void> {
  const { overlap } = options;
  const key = await withAdmin(options, (admin) => admin.call("POST", `${pathOf(id)}/rotate`, { overlap }));
  print(options, key, [
    `Key ${String(key.id)} has a new secret, shown only now; the old one stays good for ${overlap}:`,
    String(key.key),
  ]);
}

async function change(id: string, body: Json, done: string, options: CommonOptions): Promise<void> {
  const key = await withAdmin(options, (admin) => admin.call("PATCH", pathOf(id), body));
  print(options, key, [`Key ${String(key.id)} is ${done}`]);
}

async function revoke(id: string, options: CommonOptions): Promise<void> {
  const key = await withAdmin(options, (admin) => admin.call("DELETE", pathOf(id)));
  print(options, key, [`Key ${String(key.id)} is revoked`]);
}

async function pattern(options: CommonOptions): Promise<void> {
  const { keyPattern } = await import("#core/key-format.ts");
  const { format, accept } = (await settingsOf(options)).identity.keys;
  const patterns = [...new Set([format, ...accept].map(keyPattern))];
  print(options, { patterns }, patterns);
}

function pathOf(id: string): string {
  return `/admin/keys/${encodeURIComponent(id)}`;
}
