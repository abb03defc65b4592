/** `tollgate start`: its options. Main thread. */
import type { Command } from "commander";
import { CommandFault } from "./context.ts";

const LEVELS = ["fatal", "error", "warn", "info", "debug", "trace", "silent"];

interface StartOptions {
  readonly config: string;
  readonly demo?: boolean;
  readonly logLevel: string;
}

export function addStart(program: Command, workerEntry: URL): void {
  program
    .command("start")
    .description("Run the gateway")
    .option("-c, --config <file>", "configuration file", "gateway.yaml")
    .option("--demo", "with a demo upstream, account and key")
    .option("--log-level <level>", LEVELS.join(", "), "info")
    .action(async ({ config, demo = false, logLevel }: StartOptions) => {
      if (!LEVELS.includes(logLevel))
        throw new CommandFault(`No log level ${logLevel}; there are ${LEVELS.join(", ")}`);
      const { runGateway } = await import("./run-gateway.ts");
      await runGateway({ config, demo, logLevel, workerEntry });
    });
}
