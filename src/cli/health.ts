/** `tollgate health`: whether the gateway of this configuration answers; for container health checks. */
import type { Command } from "commander";
import { request } from "undici";
import { CommandFault, type CommonOptions, print, settingsOf, withCommonOptions } from "./context.ts";

const TIMEOUT_MS = 3000;
/** Addresses that mean "all" are asked on loopback. */
const WILDCARDS: Readonly<Record<string, string>> = { "0.0.0.0": "127.0.0.1", "::": "[::1]" };

export function addHealth(program: Command): void {
  withCommonOptions(
    program.command("health").description("Ask the running gateway how it is; exit 1 when it does not answer"),
  ).action(async (options: CommonOptions) => {
    const { listen, prefix } = settingsOf(options).server;
    const host = WILDCARDS[listen.host] ?? (listen.host.includes(":") ? `[${listen.host}]` : listen.host);
    const url = `http://${host}:${listen.port}${prefix}/ready`;
    const status = await ask(url);
    if (status !== 200) throw new CommandFault(`${url} answered ${status}`);
    print(options, { ok: true, url }, [`${url} is ready`]);
  });
}

async function ask(url: string): Promise<number> {
  try {
    const { statusCode, body } = await request(url, { signal: AbortSignal.timeout(TIMEOUT_MS) });
    await body.dump();
    return statusCode;
  } catch (error) {
    throw new CommandFault(`${url} does not answer: ${error instanceof Error ? error.message : String(error)}`);
  }
}
