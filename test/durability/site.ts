/**
 * What a durability test needs around a gateway that dies: a data folder that outlives it, one upstream, one account with a
 * key, and readings of the ledger and the counters over the gateway's own APIs. Does not judge what it reads.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Gateway, startGateway } from "#test/support/process.ts";
import { startUpstream, type Upstream, type UpstreamHandler } from "#test/support/upstream.ts";
import { type Load, startLoad } from "./load.ts";

const ADMIN_TOKEN = "durability-tests-admin-token-0123456789";
const QUOTA = 1_000_000_000;

export interface SiteOptions {
  /** Calls per month; default: more than any test makes. */
  readonly quota?: number;
  readonly answer?: UpstreamHandler;
}

/** What the gateway says of the account's calls. */
export interface Reading {
  /** Sum of `GET /admin/usage`. */
  readonly ledger: number;
  /** `used` of `GET {prefix}/billing/usage`, from the live counters. */
  readonly counter: number;
}

export class Site implements AsyncDisposable {
  readonly dir = mkdtempSync(join(tmpdir(), "tollgate-durability-"));
  readonly upstream: Upstream;
  readonly #config: Readonly<Record<string, unknown>>;
  #key = "";
  /** The gateway that made account and key, until somebody takes it over: starts are what these tests spend their time on. */
  #first: Gateway | null = null;

  static async open(options: SiteOptions = {}): Promise<Site> {
    const site = new Site(await startUpstream(options.answer ?? answerByPath), options.quota ?? QUOTA);
    const gateway = await startGateway(site.#config, { dir: site.dir });
    const account = await admin(gateway, "POST", "/admin/accounts", { name: "durability" });
    const key = await admin(gateway, "POST", "/admin/keys", { account: account.id });
    site.#key = String(key.key);
    site.#first = gateway;
    return site;
  }

  private constructor(upstream: Upstream, quota: number) {
    this.upstream = upstream;
    this.#config = {
      server: { workers: 2, adminToken: ADMIN_TOKEN, drainTimeout: "10s" },
      meters: { calls: {} },
      plans: { free: { default: true, quotas: { calls: { limit: quota, per: "month" } } } },
      upstreams: { app: { targets: [upstream.url] } },
      routes: [{ name: "all", match: { path: "/**" }, upstream: "app", schemes: ["key"], meters: { calls: 1 } }],
    };
  }

  get key(): string {
    return this.#key;
  }

  /** One at a time; the first one runs already. */
  async start(): Promise<Gateway> {
    const gateway = this.#first ?? (await startGateway(this.#config, { dir: this.dir }));
    this.#first = null;
    return gateway;
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
