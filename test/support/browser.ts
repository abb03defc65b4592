/**
 * A real browser (Debian's Chromium, headless) by its DevTools protocol: opens a page, asks it things, and says what it complained of and
 * what it fetched. Starts one process a browser; tests that use it ask `needs("chromium")` first.
 */
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { WebSocket } from "ws";

const START_MS = 30_000;
const ARGUMENTS = [
  "--headless",
  "--no-sandbox",
  "--window-size=1400,900",
  "--disable-gpu",
  "--disable-quic",
  "--no-first-run",
  "--disable-background-networking",
  "--disable-component-update",
  "--disable-sync",
  "--remote-debugging-port=0",
  "about:blank",
];

export interface Browser extends AsyncDisposable {
  /** Goes there; resolves when everything is loaded. */
  open(url: string): Promise<void>;
  /** The value of an expression in the page; it has to be JSON. */
  ask(expression: string): Promise<unknown>;
  prefer(colorScheme: "light" | "dark"): Promise<void>;
  /** Errors and warnings of console, network and security policy since the start. */
  readonly complaints: readonly string[];
  /** Addresses it has fetched since the start, `data:` left out. */
  readonly fetched: readonly string[];
}

type Message = Readonly<Record<string, unknown>>;

export async function startBrowser(): Promise<Browser> {
  const profile = mkdtempSync(join(tmpdir(), "tollgate-browser-"));
  const child = spawn("chromium", [...ARGUMENTS, `--user-data-dir=${profile}`], {
    stdio: ["ignore", "ignore", "pipe"],
  });
  const end = async () => {
    const gone = new Promise((resolve) => (child.exitCode === null ? child.once("exit", resolve) : resolve(null)));
    child.kill("SIGKILL");
    await gone;
    rmSync(profile, { recursive: true, force: true, maxRetries: 5 });
  };
  try {
    return await Tab.connect(await debuggerUrl(child), end);
  } catch (error) {
    await end();
    throw error;
  }
}

/** Chromium prints it when it is ready. */
function debuggerUrl(child: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let output = "";
    const timer = setTimeout(() => reject(new Error(`Chromium did not start: ${output}`)), START_MS);
    child.stderr?.setEncoding("utf8").on("data", (part: string) => {
      output += part;
      const url = /DevTools listening on (ws:\S+)/.exec(output)?.[1];
      if (url === undefined) return;
      clearTimeout(timer);
      resolve(url);
    });
    child.once("error", reject);
  });
}

class Tab implements Browser {
  readonly complaints: string[] = [];
  readonly fetched: string[] = [];
  readonly #socket: WebSocket;
  readonly #end: () => Promise<void>;
  readonly #waiting = new Map<number, (message: Message) => void>();
  #session: string | undefined;
  #number = 0;
  #loaded = (): void => {};

  static async connect(url: string, end: () => Promise<void>): Promise<Tab> {
    const socket = new WebSocket(url);
    await new Promise((resolve, reject) => socket.once("open", resolve).once("error", reject));
    const tab = new Tab(socket, end);
    const { targetId } = await tab.#send("Target.createTarget", { url: "about:blank" });
    const { sessionId } = await tab.#send("Target.attachToTarget", { targetId, flatten: true });
    tab.#session = String(sessionId);
    for (const domain of ["Page", "Runtime", "Log", "Network"]) await tab.#send(`${domain}.enable`, {});
    return tab;
  }

  constructor(socket: WebSocket, end: () => Promise<void>) {
    this.#socket = socket;
    this.#end = end;
    socket.on("message", (data) => this.#receive(JSON.parse(String(data))));
  }

  async open(url: string): Promise<void> {
    const loaded = new Promise<void>((resolve) => (this.#loaded = resolve));
    await this.#send("Page.navigate", { url });
    await loaded;
  }

  async ask(expression: string): Promise<unknown> {
    const { result, exceptionDetails } = await this.#send("Runtime.evaluate", { expression, returnByValue: true });
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails));
    return (result as { readonly value?: unknown }).value;
  }

  async prefer(colorScheme: "light" | "dark"): Promise<void> {
    const features = [{ name: "prefers-color-scheme", value: colorScheme }];
    await this.#send("Emulation.setEmulatedMedia", { features });
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#socket.terminate();
    await this.#end();
  }

  async #send(method: string, params: Message): Promise<Message> {
    const id = ++this.#number;
    const answer = new Promise<Message>((resolve) => this.#waiting.set(id, resolve));
    this.#socket.send(JSON.stringify({ id, method, params, sessionId: this.#session }));
    const { result, error } = await answer;
    if (error !== undefined) throw new Error(`${method}: ${JSON.stringify(error)}`);
    // Every command answers with an object.
    return result as Message;
  }

  #receive({ id, method, params, ...rest }: Message): void {
    if (typeof id === "number") {
      this.#waiting.get(id)?.(rest);
      this.#waiting.delete(id);
    } else {
      this.#happened(String(method), params);
    }
  }

  #happened(method: string, params: unknown): void {
    if (method === "Page.loadEventFired") this.#loaded();
    if (method === "Log.entryAdded" || method === "Runtime.exceptionThrown" || method === "Runtime.consoleAPICalled")
      this.complaints.push(JSON.stringify(params));
    if (method !== "Network.requestWillBeSent") return;
    const { request } = params as { readonly request: { readonly url: string } };
    if (!request.url.startsWith("data:")) this.fetched.push(request.url);
  }
}
