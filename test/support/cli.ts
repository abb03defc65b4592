/** Runs the `tollgate` command line as its users do, in a process of its own. Does not start gateways: process.ts does. */
import { spawn } from "node:child_process";
import { join } from "node:path";

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
  /** stdout as a JSON object; throws with all output when it is none. */
  json(): Readonly<Record<string, unknown>>;
}

export interface CliOptions {
  readonly cwd?: string;
  readonly env?: Readonly<Record<string, string>>;
}

const MAIN = join(import.meta.dirname, "..", "..", "src", "main.ts");

export async function runCli(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  const child = spawn(process.execPath, [MAIN, ...args], {
    cwd: options.cwd,
    env: { ...process.env, ...options.env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const output = { stdout: "", stderr: "" };
  child.stdout.setEncoding("utf8").on("data", (part: string) => (output.stdout += part));
  child.stderr.setEncoding("utf8").on("data", (part: string) => (output.stderr += part));
  const code = await new Promise<number>((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (status) => resolve(status ?? -1));
  });
  return { code, ...output, json: () => parseObject(args, code, output) };
}

function parseObject(
  args: readonly string[],
  code: number,
  output: { readonly stdout: string; readonly stderr: string },
): Readonly<Record<string, unknown>> {
  try {
    return JSON.parse(output.stdout);
  } catch (cause) {
    const command = `tollgate ${args.join(" ")}`;
    throw new Error(`"${command}" printed no JSON (exit ${code})\n${output.stdout}${output.stderr}`, { cause });
  }
}
