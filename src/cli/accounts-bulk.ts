/** `tollgate accounts bulk ACTION`: one change of many accounts. Without `--apply` it only says what would change. */
import { type Command, Option } from "commander";
import type { Json } from "./admin-answer.ts";
import { withAdmin } from "./admin-client.ts";
import { CommandFault, type CommonOptions, print, withCommonOptions } from "./context.ts";

interface BulkOptions extends CommonOptions {
  readonly all?: boolean;
  readonly search?: string;
  readonly state?: string;
  readonly onPlan?: string;
  readonly account: readonly string[];
  readonly plan?: string;
  readonly for?: string;
  readonly then?: string;
  readonly by?: string;
  readonly amount?: string;
  readonly once?: string;
  readonly reason?: string;
  readonly max?: string;
  readonly apply?: boolean;
}

/** The API's names of the actions, by what they are called here. */
const ACTIONS: Readonly<Record<string, string>> = {
  suspend: "suspend",
  activate: "activate",
  delete: "delete",
  "set-plan": "setPlan",
  "extend-trial": "extendTrial",
  "grant-credits": "grantCredits",
};

export function addAccountsBulk(accounts: Command): void {
  withCommonOptions(
    accounts
      .command("bulk <action>")
      .description(`Change many accounts, or see what would change: ${Object.keys(ACTIONS).join(", ")}`),
  )
    .option("--all", "all accounts that are not deleted")
    .option("--search <text>", "those with this text in the id, external id, name or e-mail")
    .option("--state <state>", "those in this state")
    .option("--on-plan <plan>", "those with this plan in force")
    .option("--account <id>", "this one, may be repeated", (id: string, ids: readonly string[]) => [...ids, id], [])
    .option("--plan <plan>", "set-plan: the plan they get")
    .option("--for <duration>", "set-plan: for so long")
    .option("--then <plan>", "set-plan: what comes after")
    .option("--by <duration>", "extend-trial: so much later")
    .option("--amount <credits>", "grant-credits: how many")
    .option("--once <key>", "grant-credits: none to accounts that have a grant by this key")
    .option("--reason <text>", "why, for the audit log")
    .addOption(new Option("--max <count>", "nothing when more match; 10000 unless said otherwise"))
    .option("--apply", "do it; left out, only say what would change")
    .action(bulk);
}

async function bulk(name: string, options: BulkOptions): Promise<void> {
  const wish = wishOf(name, options);
  const outcome = await withAdmin(options, async (admin) => {
    const tried = await admin.call("POST", "/admin/accounts/bulk", wish);
    if (options.apply !== true) return tried;
    return admin.call("POST", "/admin/accounts/bulk", { ...wish, dryRun: false, expected: tried.matched });
  });
  const words = outcome.dryRun === true ? "would change (--apply does it)" : "changed";
  print(options, outcome, [`${String(outcome.matched)} accounts match, ${String(outcome.changed)} ${words}`]);
}

function wishOf(name: string, options: BulkOptions): Json {
  const { search, state, onPlan: plan, account, amount, once } = options;
  const action = Object.hasOwn(ACTIONS, name) ? ACTIONS[name] : undefined;
  if (action === undefined) throw new CommandFault(`Expected one of ${Object.keys(ACTIONS).join(", ")}, got "${name}"`);
  const filter = { search, state, plan, ids: account.length === 0 ? undefined : account };
  const isEmpty = Object.values(filter).every((value) => value === undefined);
  if (isEmpty && options.all !== true)
    throw new CommandFault("Say which accounts: --search, --state, --on-plan, --account, or --all");
  const credits = amount === undefined ? undefined : { amount: Number(amount), idempotencyKey: once };
  const change = { plan: options.plan, planDuration: options.for, planAfter: options.then, extendTrial: options.by };
  const max = options.max === undefined ? undefined : Number(options.max);
  return { filter, action, ...change, credits, reason: options.reason, max };
}
