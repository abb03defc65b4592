/** `tollgate backup`: a copy of the data folder, of the running gateway's too. Main thread. */
import { existsSync } from "node:fs";
import { resolve } from "node:path";
import type { Command } from "commander";
import type { Settings } from "#config/settings.ts";
import { withAdmin } from "./admin-client.ts";
import { CommandFault, type CommonOptions, print, settingsOf, withCommonOptions } from "./context.ts";

export function addBackup(program: Command): void {
  const command = program
    .command("backup <dir>")
    .description("Copy store, journal and secrets to a new folder, while the gateway runs or not");
  withCommonOptions(command).action(async (dir: string, options: CommonOptions) => {
    await checkStore(options);
    const made = await withAdmin(options, (admin) => admin.call("POST", "/admin/backup", { dir: resolve(dir) }));
    print(options, made, [
      `Backup as of ${String(made.cutAt)} in ${String(made.dir)}: ${String(made.files)} files, ${String(made.bytes)} bytes`,
      "To restore it, stop the gateway and start it with store.url naming the database in that folder, or in a copy of it",
    ]);
  });
}

/** Any other command begins an empty store where there is none; a backup of that would only look like one. */
async function checkStore(options: CommonOptions): Promise<void> {
  let settings: Settings;
  try {
    settings = await settingsOf(options);
  } catch {
    // Then only a running gateway can be asked, and it has a store.
    return;
  }
  if (!existsSync(settings.store.file)) throw new CommandFault(`There is no store ${settings.store.file} to back up`);
}
