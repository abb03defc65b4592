/**
 * What a durability test needs around a gateway that dies: a data folder that outlives it, one upstream, one account with a
 * key, and readings of the ledger and the counters over the gateway's own faces. Does not judge what it reads, and never
 * looks into the store by itself: its tables are the gateway's own business.
 */
import { spawn } from "node:child_process";
import { cpSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runCli } from "#test/support/cli.ts";
import { type Gateway, startGateway } from "#test/support/process.ts";
import { startUpstream, type Upstream, type UpstreamHandler } from "#test/support/upstream.ts";
import { type Load, startLoad } from "./load.ts";

const ADMIN_TOKEN = "durability-tests-admin-token-0123456789";
const QUOTA = 1_000_000_000;
const MAIN = join(import.meta.dirname, "..", "..", "src", "main.ts");

export interface SiteOptions {
  /** Calls per month; default: more than any test makes. */
  readonly quota?: number;
  readonly answer?: UpstreamHandler;
  /** Default: 2. */
  readonly workers?: number;
  readonly metering?: Metering;
}

export type Metering = Readonly<Record<string, string>>;

/** What the gateway says of the account's calls. */
export interface Reading {
  /** Sum of `GET /admin/usage`. */
  readonly ledger: number;
  /** `used` of `GET {prefix}/billing/usage`, from the live counters. */
  readonly counter: number;
}

/** The store's write-ahead log: what a fold writes first. */
export function storeLog(gatewayDir: string): string {
  return `${storeFile(gatewayDir)}-wal`;
}

/** All files of the store. */
export function storeFiles(gatewayDir: string): readonly string[] {
  return ["", "-wal", "-shm"].map((end) => storeFile(gatewayDir) + end);
}

function storeFile(gatewayDir: string): string {
  return join(gatewayDir, "data", "tollgate.db");
}

export class Site implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "tollgate-durability-"));
  readonly upstream: Upstream;
  readonly #options: SiteOptions;
  readonly #env: Readonly<Record<string, string>>;
  #account = "";
  #key = "";
  /** The gateway that made account and key, until somebody takes it over: starts are what these tests spend their time on. */
  #first: Gateway | null = null;

  static async open(options: SiteOptions = {}): Promise<Site> {
    const site = new Site(await startUpstream(options.answer ?? answerByPath), options);
    try {
      const gateway = await site.start();
      site.#first = gateway;
      const account = await admin(gateway, "POST", "/admin/accounts", { name: "durability" });
      site.#account = String(account.id);
      site.#key = await site.makeKey(gateway);
      return site;
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(upstream: Upstream, options: SiteOptions) {
    this.upstream = upstream;
    this.#options = options;
    // Killed gateways leave their sockets behind: here they go with the rest.
    const temporary = join(this.dir, "tmp");
    mkdirSync(temporary);
    this.#env = { TMPDIR: temporary };
  }

  /** The configuration, with another `metering` when one is given. */
  config(metering: Metering = this.#options.metering ?? {}): Readonly<Record<string, unknown>> {
    const { quota = QUOTA, workers = 2 } = this.#options;
    return {
      server: { workers, adminToken: ADMIN_TOKEN, drainTimeout: "10s" },
      meters: { calls: {} },
      plans: { free: { default: true, quotas: { calls: { limit: quota, per: "month" } } } },
      upstreams: { app: { targets: [this.upstream.url] } },
      routes: [{ name: "all", match: { path: "/**" }, upstream: "app", schemes: ["key"], meters: { calls: 1 } }],
      metering,
    };
  }

  get key(): string {
    return this.#key;
  }

  /** One at a time; the first one runs already, unless a wrapper is asked for. */
  async start(wrapper?: readonly string[]): Promise<Gateway> {
    const first = this.#first;
    this.#first = null;
    if (first !== null && wrapper === undefined) return first;
    await first?.kill();
    const options = { dir: this.dir, env: this.#env };
    return await startGateway(this.config(), wrapper === undefined ? options : { ...options, wrapper });
  }

  /** One more key of the account. */
  async makeKey(gateway: Gateway): Promise<string> {
    return String((await admin(gateway, "POST", "/admin/keys", { account: this.#account })).key);
  }

  /** A start that is killed after so many milliseconds, mostly before it is ready. */
  async dieWhileStarting(afterMs: number): Promise<void> {
    await this.#first?.kill();
    this.#first = null;
    const child = spawn(process.execPath, [MAIN, "start", "-c", join(this.dir, "gateway.yaml")], {
      env: { ...process.env, ...this.#env },
      stdio: "ignore",
    });
    const closed = new Promise((resolve) => child.on("close", resolve));
    await sleep(afterMs);
    child.kill("SIGKILL");
    await closed;
  }

  load(gateway: Gateway, name: string, path: () => string, connections = 8): Promise<Load> {
    return startLoad({ port: gateway.port, key: this.#key, connections, name, path });
  }

  /** Folds first: the ledger holds all that is in the journal now. */
  async read(gateway: Gateway): Promise<Reading> {
    const { start, used } = await this.#usage(gateway);
    const { data } = await admin(gateway, "GET", "/admin/usage");
    // Rows as docs/endpoints.md lists them; older than the window only when a test runs over the turn of a month.
    const rows = (data as readonly { readonly hour: string; readonly units: number }[]).filter(
      ({ hour }) => hour >= start,
    );
    return { ledger: rows.reduce((sum, row) => sum + row.units, 0), counter: used };
  }

  /** Units that the ledger alone holds after the process has ended: the command line's answer over a copy without the journal. */
  async ledgerAlone(): Promise<number> {
    const copy = mkdtempSync(join(tmpdir(), "tollgate-ledger-"));
    try {
      // Sockets of the dead cannot be copied.
      const filter = (path: string) => basename(path) !== "journal" && path !== join(this.dir, "tmp");
      cpSync(this.dir, copy, { recursive: true, filter });
      const usage = await runCli(["usage", "--json", "-c", join(copy, "gateway.yaml")], { cwd: copy });
      return unitsOf(usage.json());
    } finally {
      rmSync(copy, { recursive: true, force: true });
    }
  }

  async #usage(gateway: Gateway): Promise<{ readonly start: string; readonly used: number }> {
    const answer = await fetch(`${gateway.url}/_tollgate/billing/usage`, {
      headers: { authorization: `Bearer ${this.#key}` },
    });
    const text = await answer.text();
    if (answer.status !== 200) throw new Error(`Usage answered ${answer.status}: ${text}`);
    // The shape DESIGN.md §8 fixes.
    const { meters } = JSON.parse(text) as { meters: { meter: string; used: number; window: { start: string } }[] };
    const calls = meters.find(({ meter }) => meter === "calls");
    if (calls === undefined) throw new Error(`Usage has no calls: ${text}`);
    return { start: calls.window.start, used: calls.used };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#first?.kill();
    await this.upstream.close();
    rmSync(this.dir, { recursive: true, force: true });
  }
}

/** Sum over the rows of `tollgate usage --json`. */
function unitsOf({ data }: Readonly<Record<string, unknown>>): number {
  // Rows as docs/endpoints.md lists them.
  return (data as readonly { readonly units: number }[]).reduce((sum, { units }) => sum + units, 0);
}

/** Speaks to the admin listener; throws for anything but success. */
async function admin(
  gateway: Gateway,
  method: string,
  path: string,
  body?: object,
): Promise<Readonly<Record<string, unknown>>> {
  const answer = await fetch(`${gateway.adminUrl}${path}`, {
    method,
    headers: {
      authorization: `Bearer ${ADMIN_TOKEN}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: JSON.stringify(body) }),
  });
  const text = await answer.text();
  if (!answer.ok) throw new Error(`${method} ${path} answered ${answer.status}: ${text}`);
  return JSON.parse(text);
}

const BIG = "x".repeat(512 * 1024);

/** `/fast` at once, `/slow/{ms}` after a pause, `/big` half a megabyte, `/chunks` in four pieces. Bodies hold no line ends. */
const answerByPath: UpstreamHandler = (request, response) => {
  const [, kind, ms] = request.url.split("/");
  if (kind === "big") response.writeHead(200, { "content-length": BIG.length }).end(BIG);
  else if (kind === "chunks") {
    for (const piece of ["one", "two", "three"]) response.write(piece);
    setTimeout(() => response.end("four"), 2);
  } else setTimeout(() => response.writeHead(200, { "content-length": 2 }).end("ok"), Number(ms ?? 0));
};
