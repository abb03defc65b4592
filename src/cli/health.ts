/** `tollgate health`: whether the gateway of this configuration answers; for container health checks. Works while the file is broken. */
import type { Command } from "commander";
import { dataFolderOf } from "#config/data-folder.ts";
import { readRunFile } from "#control-plane/store/run-file.ts";
import { CommandFault, type CommonOptions, print, withCommonOptions } from "./context.ts";

const TIMEOUT_MS = 3000;
export function addHealth(program: Command): void {
  const health = program
    .command("health")
    .description("Ask the running gateway how it is; exit 1 when it is not ready");
  withCommonOptions(health).action(async (options: CommonOptions) => {
    const dir = dataFolderOf(options.config);
    const { readyUrl: url = null, opsSocket = null } = readRunFile(dir) ?? {};
    if (url === null) throw new CommandFault(`No gateway runs on the data folder ${dir}`);
    const asked = await ask(url);
    // A worker that counts requests works. Whether the gateway is ready, the socket of commands says, on which no rule holds.
    const status = asked === 429 && opsSocket !== null ? await ask("http://localhost/ready", opsSocket) : asked;
    if (status !== 200) throw new CommandFault(`${url} answered ${status}`);
    print(options, { ok: true, url }, [`${url} is ready`]);
  });
}

async function ask(url: string, socketPath?: string): Promise<number> {
  const { Client, request } = await import("undici");
  const { origin } = new URL(url);
  // It is this machine that is asked, by an address that no certificate names.
  const connect = { rejectUnauthorized: false, ...(socketPath === undefined ? {} : { socketPath }) };
  const dispatcher = new Client(origin, { connect });
  try {
    const { statusCode, body } = await request(url, { dispatcher, signal: AbortSignal.timeout(TIMEOUT_MS) });
    await body.dump();
    return statusCode;
  } catch (error) {
    throw new CommandFault(`${url} does not answer: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    await dispatcher.destroy();
  }
}
