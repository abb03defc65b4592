/** The `tollgate` command line: its commands, and its exit codes: 0 done, 1 a fault, 2 wrong usage. Main thread. */
import { Command, CommanderError } from "commander";
import { ConfigFaults } from "#config/faults.ts";
import { shown } from "./context.ts";
import { version } from "#core/version.ts";
import { addAccounts } from "./accounts.ts";
import { addAudit } from "./audit.ts";
import { addBackup } from "./backup.ts";
import { addConfigCommands } from "./config-commands.ts";
import { addExplain } from "./explain.ts";
import { addHealth } from "./health.ts";
import { addKeys } from "./keys.ts";
import { addReconcile } from "./reconcile.ts";
import { addSecrets } from "./secrets.ts";
import { addStart } from "./start.ts";
import { addStats } from "./stats.ts";
import { addToken } from "./token.ts";
import { addUsage } from "./usage.ts";
import { addUsers } from "./users.ts";

/** Runs a command line (without node and script) and resolves with the exit code. `workerEntry` is the workers' program. */
export async function runCommandLine(args: readonly string[], workerEntry: URL): Promise<number> {
  const program = new Command("tollgate")
    .description("API gateway: identity, limits, quotas, metering and billing in one process")
    .version(version())
    .exitOverride()
    .showHelpAfterError("(--help shows what there is)");
  addStart(program, workerEntry);
  addConfigCommands(program);
  addExplain(program);
  addAccounts(program);
  addAudit(program);
  addBackup(program);
  addHealth(program);
  addKeys(program);
  addReconcile(program);
  addSecrets(program);
  addStats(program);
  addToken(program);
  addUsage(program);
  addUsers(program);
  inherit(program);
  try {
    await program.parseAsync([...args], { from: "user" });
    return 0;
  } catch (error) {
    return report(error);
  }
}

/** commander hands `exitOverride` and the help hint only to commands made after them through the program. */
function inherit(command: Command): void {
  for (const child of command.commands) {
    child.copyInheritedSettings(command);
    inherit(child);
  }
}

function report(error: unknown): number {
  if (error instanceof CommanderError) {
    // Help and version end through here too, with 0; `help` shown because a command is missing is wrong usage.
    return error.exitCode === 0 ? 0 : 2;
  }
  if (error instanceof ConfigFaults) {
    process.stderr.write(`${error.message}\n`);
    return 1;
  }
  const message = error instanceof Error ? error.message : String(error);
  process.stderr.write(`Error: ${message.split("\n").map(shown).join("\n")}\n`);
  if (process.env.TOLLGATE_DEBUG !== undefined && error instanceof Error) process.stderr.write(`${error.stack}\n`);
  return 1;
}
