/** `tollgate accounts bulk` and `tollgate users bulk`: what both have in common. Without `--apply` they only say what would change. */
import { type Command, Option } from "commander";
import type { Json } from "./admin-answer.ts";
import { withAdmin } from "./admin-client.ts";
import { CommandFault, type CommonOptions, print, withCommonOptions } from "./context.ts";

export interface BulkOptions extends CommonOptions {
  readonly all?: boolean;
  readonly reason?: string;
  readonly max?: string;
  readonly apply?: boolean;
}

export interface Bulk {
  readonly what: "accounts" | "users";
  /** The API's names of the actions, by what they are called here. */
  readonly actions: Readonly<Record<string, string>>;
  /** Options that say which, for a message. */
  readonly filters: string;
}

/** A member that is undefined says nothing. */
export interface BulkAsk {
  readonly filter: Json;
  /** Members of the action. */
  readonly change: Json;
}

/** Adds `bulk <action>` to a command, with the options that follow the ones of its own. */
export function addBulk<O extends BulkOptions>(
  parent: Command,
  bulk: Bulk,
  addOptions: (command: Command) => Command,
  askOf: (options: O) => BulkAsk,
): void {
  const { what, actions } = bulk;
  const command = parent
    .command("bulk <action>")
    .description(`Change many ${what}, or see what would change: ${Object.keys(actions).join(", ")}`);
  addOptions(withCommonOptions(command).option("--all", `all ${what} that are not deleted`))
    .option("--reason <text>", "why, for the audit log")
    .addOption(new Option("--max <count>", "nothing when more match; 10000 unless said otherwise"))
    .option("--apply", "do it; left out, only say what would change")
    .action((name: string, options: O) => run(bulk, name, options, askOf(options)));
}

/** Collects an option that may be repeated. */
export function another(value: string, before: readonly string[]): readonly string[] {
  return [...before, value];
}

async function run(bulk: Bulk, name: string, options: BulkOptions, ask: BulkAsk): Promise<void> {
  const wish = wishOf(bulk, name, options, ask);
  const path = `/admin/${bulk.what}/bulk`;
  const outcome = await withAdmin(options, async (admin) => {
    const tried = await admin.call("POST", path, wish);
    if (options.apply !== true) return tried;
    return admin.call("POST", path, { ...wish, dryRun: false, expected: tried.matched });
  });
  const words = outcome.dryRun === true ? "would change (--apply does it)" : "changed";
  print(options, outcome, [`${String(outcome.matched)} ${bulk.what} match, ${String(outcome.changed)} ${words}`]);
}

function wishOf({ what, actions, filters }: Bulk, name: string, options: BulkOptions, { filter, change }: BulkAsk) {
  const action = Object.hasOwn(actions, name) ? actions[name] : undefined;
  if (action === undefined) throw new CommandFault(`Expected one of ${Object.keys(actions).join(", ")}, got "${name}"`);
  const isEmpty = Object.values(filter).every((value) => value === undefined);
  if (isEmpty && options.all !== true) throw new CommandFault(`Say which ${what}: ${filters}, or --all`);
  const max = options.max === undefined ? undefined : Number(options.max);
  return { filter, action, ...change, reason: options.reason, max };
}
