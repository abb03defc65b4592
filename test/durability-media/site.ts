/**
 * What tests of disks, segments and copies need: a gateway on a folder they choose, one account with a key, load, and readings
 * over the gateway's own faces. Does not judge what it reads, and knows no table of the store.
 */
import { mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { type Gateway, startGateway } from "#test/support/process.ts";
import { startUpstream, type Upstream } from "#test/support/upstream.ts";
import { type Load, startLoad } from "../durability/load.ts";
import { AdminApi } from "../threats/admin-api.ts";

const ADMIN_TOKEN = "3c1f9a7be2d84650b19e7c43a8d5f026";
const CONNECTIONS = 8;

export interface Reading {
  /** Sum over `GET /admin/usage`, which folds first. */
  readonly ledger: number;
  /** `used` of `GET /billing/usage`, from the live counters. */
  readonly counter: number;
}

export class Site implements AsyncDisposable {
  /** Of gateway.yaml; the data folder is `data` in it, unless `store` says otherwise. */
  readonly dir: string;
  readonly upstream: Upstream;
  /** A folder for copies and the like; goes with the site. */
  readonly spare = mkdtempSync(join(tmpdir(), "tollgate-site-"));
  #key = "";

  /** Starts a gateway in `dir`, left out in a folder of its own, makes account and key, and hands both over. */
  static async open(dir?: string): Promise<{ readonly site: Site; readonly gateway: Gateway }> {
    const upstream = await startUpstream((_request, response) => {
      response.writeHead(200, { "content-length": 2 }).end("ok");
    });
    const site = new Site(upstream, dir);
    try {
      const gateway = await site.start();
      const account = await site.admin(gateway).call("POST", "/admin/accounts", { name: "media", externalId: "media" });
      site.#key = (await site.admin(gateway).newKey(String(account.id), { roles: [] })).secret;
      return { site, gateway };
    } catch (error) {
      await site[Symbol.asyncDispose]();
      throw error;
    }
  }

  private constructor(upstream: Upstream, dir?: string) {
    this.upstream = upstream;
    this.dir = dir ?? join(this.spare, "site");
    mkdirSync(this.dir, { recursive: true });
  }

  get key(): string {
    return this.#key;
  }

  /** `store`: path of the database, from the folder of gateway.yaml. */
  start(store = "data/tollgate.db", dir = this.dir): Promise<Gateway> {
    // Sockets of gateways that are killed lie in the temporary folder: here they go with the rest.
    return startGateway(this.#config(store), { dir, env: { TMPDIR: this.spare } });
  }

  #config(store: string): Readonly<Record<string, unknown>> {
    return {
      server: { workers: 2, adminToken: ADMIN_TOKEN },
      store: { url: `sqlite:${store}` },
      metering: { durability: "disk" },
      meters: { calls: {} },
      plans: { free: { default: true, quotas: { calls: { limit: 1_000_000_000, per: "month" } } } },
      upstreams: { app: { targets: [this.upstream.url] } },
      routes: [{ name: "all", match: { path: "/**" }, upstream: "app", schemes: ["key"], meters: { calls: 1 } }],
    };
  }

  admin(gateway: Gateway): AdminApi {
    return new AdminApi(gateway, ADMIN_TOKEN);
  }

  load(gateway: Gateway, name: string): Promise<Load> {
    return startLoad({ port: gateway.port, key: this.#key, connections: CONNECTIONS, name, path: () => "/x" });
  }

  async read(gateway: Gateway): Promise<Reading> {
    const ledger = await this.admin(gateway).usage();
    const usage = await this.admin(gateway).call("GET", "/admin/accounts/media/usage");
    // As docs/endpoints.md describes it.
    const meters = usage.meters as readonly { readonly meter: string; readonly used: number }[];
    return { ledger, counter: meters.find(({ meter }) => meter === "calls")?.used ?? -1 };
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.upstream.close();
    rmSync(this.spare, { recursive: true, force: true });
  }
}
