/** Starts the app behind everything that is measured: nginx with a fixed answer where it is installed, else `server.ts`. */
import { once } from "node:events";
import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { endProcess, startProgram, startScript, untilListening, versionOf } from "#bench/parts/child.ts";
import { writePeerConfig } from "#bench/parts/peer-config.ts";
import { freePort } from "#test/support/server.ts";

export interface App extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  readonly pid: number;
  readonly kind: "nginx" | "node";
}

const hasNginx = versionOf("nginx", "-v") !== null;

/** `dir`: where files it serves are (`files/`), and where it keeps its own. */
export function startApp(core: number, dir: string): Promise<App> {
  return hasNginx ? startNginx(core, dir) : startReadingApp(core);
}

async function startNginx(core: number, dir: string): Promise<App> {
  const port = await freePort();
  mkdirSync(join(dir, "files"), { recursive: true });
  const file = writePeerConfig("nginx-upstream.conf", { dir, port, upstream: "" });
  const child = startProgram("nginx", ["-c", file], { core });
  await untilListening(child, port);
  const url = `http://127.0.0.1:${port}`;
  return { url, port, pid: child.pid ?? -1, kind: "nginx", [Symbol.asyncDispose]: () => endProcess(child) };
}

/** One that reads bodies to their end before it answers, which nginx does not with a fixed answer. */
export async function startReadingApp(core: number): Promise<App> {
  const child = startScript(core, "app/server.ts");
  if (child.stdout === null) throw new Error("The app's output is not a pipe");
  const [line] = await Promise.race([once(child.stdout, "data"), once(child, "exit")]);
  const port = Number.parseInt(String(line), 10);
  if (!(line instanceof Buffer) || Number.isNaN(port)) throw new Error("The app did not start");
  const url = `http://127.0.0.1:${port}`;
  return { url, port, pid: child.pid ?? -1, kind: "node", [Symbol.asyncDispose]: () => endProcess(child) };
}
