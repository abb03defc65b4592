/** Starts upstream.ts as a process and ends it. */
import { once } from "node:events";
import { endProcess, startScript } from "./child.ts";

export interface BareUpstream extends AsyncDisposable {
  readonly url: string;
  readonly pid: number;
}

export async function startBareUpstream(core: number): Promise<BareUpstream> {
  const child = startScript(core, "upstream.ts");
  const dispose = () => endProcess(child);
  if (child.stdout === null) throw new Error("The upstream's output is not a pipe");
  const [line] = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  const port = Number.parseInt(String(line), 10);
  if (!(line instanceof Buffer) || Number.isNaN(port)) throw new Error("The bare upstream did not start");
  return { url: `http://127.0.0.1:${port}`, pid: child.pid ?? -1, [Symbol.asyncDispose]: dispose };
}
