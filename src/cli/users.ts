/** `tollgate users …`, but for `bulk` (`users-bulk.ts`). */
import type { Command } from "commander";
import type { Json, Method } from "./admin-answer.ts";
import { withAdmin } from "./admin-client.ts";
import { type CommonOptions, print, table, withCommonOptions } from "./context.ts";
import { addImport } from "./import.ts";
import { addUsersBulk } from "./users-bulk.ts";

interface ListOptions extends CommonOptions {
  readonly search?: string;
  readonly state?: string;
  readonly account?: string;
  readonly sort?: string;
  readonly limit: string;
  readonly cursor?: string;
}

export function addUsers(program: Command): void {
  const users = program.command("users").description("Users: people, as their tokens name them");
  withCommonOptions(users.command("list").description("List users"))
    .option("--search <text>", "a part of e-mail, name or external id")
    .option("--state <state>", "active, suspended or deleted")
    .option("--account <account>", "members of this account")
    .option("--sort <by>", "created or seen")
    .option("--limit <count>", "at most so many", "100")
    .option("--cursor <id>", "go on after this id")
    .action(list);
  withCommonOptions(users.command("show <user>").description("Show a user with memberships and live sessions")).action(
    async (id: string, options: CommonOptions) => {
      const user = await call(options, "GET", pathOf(id));
      print(options, user, Object.entries(user).map(shown));
    },
  );
  withCommonOptions(users.command("create <external-id>").description("Make a user ahead of their first token"))
    .option("--email <email>", "e-mail")
    .option("--name <name>", "name")
    .action(async (externalId: string, options: CommonOptions & { email?: string; name?: string }) => {
      const body = { externalId, email: options.email ?? null, name: options.name ?? null };
      const user = await call(options, "POST", "/admin/users", body);
      print(options, user, [`User ${String(user.id)} made`]);
    });
  addChanges(users);
  addImpersonate(users);
  addUsersBulk(users);
  addImport(users, "users", "external_id, email, name, account, roles");
}

function addChanges(users: Command): void {
  const change = (name: string, words: string, method: Method, path: string, said: string, body?: Json) =>
    withCommonOptions(users.command(`${name} <user>`).description(words)).action(
      async (id: string, options: CommonOptions) => {
        const answer = await call(options, method, `${pathOf(id)}${path}`, body);
        print(options, answer, [`User ${id} ${said}`]);
      },
    );
  change("suspend", "Refuse a user in every account", "PATCH", "", "is suspended", { state: "suspended" });
  change("activate", "Let a suspended user in again", "PATCH", "", "is active", { state: "active" });
  change("delete", "Delete a user for good", "DELETE", "", "is deleted");
  change("revoke-sessions", "Refuse all tokens issued until now", "DELETE", "/sessions", "is signed out everywhere");
}

interface ImpersonateOptions extends CommonOptions {
  readonly reason: string;
  readonly account?: string;
  readonly ttl?: string;
  readonly role: readonly string[];
}

function addImpersonate(users: Command): void {
  withCommonOptions(users.command("impersonate <user>").description("Get a short token that acts as a user"))
    .requiredOption("--reason <text>", "why; it stands in the audit log")
    .option("--account <account>", "for which of the user's accounts")
    .option("--ttl <duration>", "life of the token, at most 1h; left out, 10m")
    .option("--role <role>", "role the token names, may be repeated", (role, before: string[]) => [...before, role], [])
    .action(async (id: string, options: ImpersonateOptions) => {
      const { reason, account, ttl, role } = options;
      const body = {
        reason,
        ...(account === undefined ? {} : { account }),
        ...(ttl === undefined ? {} : { ttl }),
        ...(role.length === 0 ? {} : { roles: role }),
      };
      const made = await call(options, "POST", `${pathOf(id)}/impersonate`, body);
      print(options, made, [String(made.token)]);
    });
}

async function list(options: ListOptions): Promise<void> {
  const { search, state, account, sort, limit, cursor } = options;
  const query = new URLSearchParams();
  for (const [key, value] of Object.entries({ search, state, account, sort, limit, cursor }))
    if (value !== undefined) query.set(key, value);
  const page = await call(options, "GET", `/admin/users?${query}`);
  // The admin API's lists hold objects in `data`.
  const rows = (page.data as readonly Json[]).map((user) =>
    [user.id, user.externalId, user.email ?? "", user.state, user.lastSeenAt ?? ""].map(String),
  );
  print(options, page, table([["ID", "EXTERNAL ID", "E-MAIL", "STATE", "LAST SEEN"], ...rows]));
}

function call(options: CommonOptions, method: Method, path: string, body?: Json): Promise<Json> {
  return withAdmin(options, (admin) => admin.call(method, path, body));
}

function shown([name, value]: readonly [string, unknown]): string {
  return `${name.padEnd(18)} ${typeof value === "string" ? value : JSON.stringify(value)}`;
}

function pathOf(id: string): string {
  return `/admin/users/${encodeURIComponent(id)}`;
}
