/** `tollgate accounts bulk ACTION`: one change of many accounts (`bulk.ts`). */
import type { Command } from "commander";
import { addBulk, another, type Bulk, type BulkAsk, type BulkOptions } from "./bulk.ts";

interface AccountsBulkOptions extends BulkOptions {
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
}

const BULK: Bulk = {
  what: "accounts",
  actions: {
    suspend: "suspend",
    activate: "activate",
    delete: "delete",
    "set-plan": "setPlan",
    "extend-trial": "extendTrial",
    "grant-credits": "grantCredits",
  },
  filters: "--search, --state, --on-plan, --account",
};

export function addAccountsBulk(accounts: Command): void {
  const addOptions = (command: Command) =>
    command
      .option("--search <text>", "those with this text in the id, external id, name or e-mail")
      .option("--state <state>", "those in this state")
      .option("--on-plan <plan>", "those with this plan in force")
      .option("--account <id>", "this one, may be repeated", another, [])
      .option("--plan <plan>", "set-plan: the plan they get")
      .option("--for <duration>", "set-plan: for so long")
      .option("--then <plan>", "set-plan: what comes after")
      .option("--by <duration>", "extend-trial: so much later")
      .option("--amount <credits>", "grant-credits: how many")
      .option("--once <key>", "grant-credits: none to accounts that have a grant by this key");
  addBulk(accounts, BULK, addOptions, askOf);
}

function askOf(options: AccountsBulkOptions): BulkAsk {
  const { search, state, onPlan: plan, account, amount, once } = options;
  const filter = { search, state, plan, ids: account.length === 0 ? undefined : account };
  const credits = amount === undefined ? undefined : { amount: Number(amount), idempotencyKey: once };
  const change = { plan: options.plan, planDuration: options.for, planAfter: options.then, extendTrial: options.by };
  return { filter, change: { ...change, credits } };
}
