/** `tollgate users bulk ACTION`: one change of many users (`bulk.ts`). */
import type { Command } from "commander";
import { addBulk, another, type Bulk, type BulkAsk, type BulkOptions } from "./bulk.ts";

interface UsersBulkOptions extends BulkOptions {
  readonly search?: string;
  readonly state?: string;
  readonly account?: string;
  readonly user: readonly string[];
}

const BULK: Bulk = {
  what: "users",
  actions: { suspend: "suspend", activate: "activate", delete: "delete", "revoke-sessions": "revokeSessions" },
  filters: "--search, --state, --account, --user",
};

export function addUsersBulk(users: Command): void {
  const addOptions = (command: Command) =>
    command
      .option("--search <text>", "those with this text in e-mail, name or external id")
      .option("--state <state>", "those in this state")
      .option("--account <account>", "members of this account")
      .option("--user <id>", "this one, may be repeated", another, []);
  addBulk(users, BULK, addOptions, askOf);
}

function askOf({ search, state, account, user }: UsersBulkOptions): BulkAsk {
  return { filter: { search, state, account, ids: user.length === 0 ? undefined : user }, change: {} };
}
