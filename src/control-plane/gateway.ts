/**
 * The running gateway as the main thread has it: foundation, fleet and listeners, and how they start, reload and stop.
 * The composition root of the control plane.
 * Order of a start: lock → store → ledger folds what an earlier run left → key sets → workers → ready. Counters are filled from the
 * ledger at first sight of an account.
 */
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import type { FastifyInstance } from "fastify";
import type { Logger } from "pino";
import type { Settings } from "#config/settings.ts";
import { forgetMs } from "#core/clock.ts";
import { reservedUnits } from "#shared/in-flight-table.ts";
import type { Snapshot } from "#shared/messages.ts";
import { Answers } from "#control-plane/accounts/answers.ts";
import { type AdminToken, keepAdminToken, type OpenedToken, openAdminToken } from "#control-plane/api/admin-token.ts";
import { buildAdmin } from "#control-plane/api/admin.ts";
import { buildMetrics } from "#control-plane/api/metrics.ts";
import { buildSelfService } from "#control-plane/api/self-service.ts";
import { Fleet } from "#control-plane/fleet/fleet.ts";
import { type LiveTables, newLiveTables } from "#control-plane/fleet/live-tables.ts";
import { snapshotOf } from "#control-plane/fleet/snapshot.ts";
import { type RunFile, readRunFile } from "#control-plane/store/run-file.ts";
import { Foundation } from "./foundation.ts";
import { changedSections, needRestart } from "./settings-changes.ts";

const TICKET_KEY_BYTES = 48;
const SOCKET_DIR_PREFIX = "tollgate-";
const FOLD_MS = 1000;
const SWEEP_MS = 10 * 60_000;
const CREDITS_MS = 5000;
const EXPIRE_MS = 1000;
const PLAN_TERMS_MS = 1000;

export interface GatewayParts {
  readonly settings: Settings;
  readonly log: Logger;
  readonly logLevel: string;
  /** The workers' program, `data-plane/worker.ts`. */
  readonly workerEntry: URL;
}

/** Where a started gateway is reached. */
export interface Started {
  readonly listen: string;
  /** null: switched off. */
  readonly admin: string | null;
  /** The admin token, when this start made it: the only time it can be shown. */
  readonly newAdminToken: string | null;
}

export class Gateway {
  readonly foundation: Foundation;
  readonly #parts: GatewayParts;
  readonly #fleet: Fleet;
  readonly #socketDir = mkdtempSync(join(tmpdir(), SOCKET_DIR_PREFIX));
  readonly #apps: FastifyInstance[] = [];
  readonly #timers: NodeJS.Timeout[] = [];
  readonly #live: LiveTables;
  readonly #adminToken: AdminToken;
  readonly #newAdminToken: string | null;
  #settings: Settings;
  #snapshot: Snapshot;
  #ready = false;
  #configGood = true;

  /** Takes the data folder and opens the store; nothing listens yet. Throws with a clear message, and leaves nothing behind. */
  static async open(parts: GatewayParts): Promise<Gateway> {
    // The fleet is made after the foundation that announces to it; nothing is announced before.
    let gateway: Gateway | null = null;
    const live = newLiveTables(parts.settings.server.workers, () => gateway?.snapshot ?? null);
    const foundation = await Foundation.open({
      settings: () => gateway?.settings ?? parts.settings,
      log: parts.log,
      announce: async (what) => gateway?.fleet.announce(what),
      publishKeys: async (issuer, keys) => gateway?.fleet.useKeySet(issuer, keys),
      isLive: (writer) => gateway?.fleet.isLive(writer) ?? false,
      live,
    });
    const token = await openAdminToken(foundation.db, parts.settings.server.adminToken);
    gateway = new Gateway(parts, foundation, live, token);
    return gateway;
  }

  private constructor(parts: GatewayParts, foundation: Foundation, live: LiveTables, token: OpenedToken) {
    this.#parts = parts;
    this.foundation = foundation;
    this.#live = live;
    this.#adminToken = token.token;
    this.#newAdminToken = token.made;
    this.#settings = parts.settings;
    const { services, keySets, ledger } = foundation;
    this.#snapshot = snapshotOf(parts.settings, null, ledger.counting.epoch);
    const answers = new Answers({
      accounts: services.accounts,
      keys: services.keys,
      foreign: services.foreignKeys,
      firstSight: services.firstSight,
      anchorOf: (account) => ledger.seeder.anchorOf(account),
      grants: (account) => foundation.grants.usable(account),
      rateClears: (account) => services.rateClears.of(account),
      upstreamHeaders: (account) => services.upstreamCredentials.headersOf(account),
      refreshKeys: (issuer) => keySets.refresh(issuer),
      resources: services.resources,
    });
    const start = {
      pepper: foundation.pepper,
      rates: live.rates,
      slots: foundation.slotsBuffer,
      counters: foundation.countersBuffer,
      metrics: live.metrics,
      inFlight: live.inFlight,
      journalDir: foundation.journalDir,
      runId: foundation.run,
      controlSocket: join(this.#socketDir, "control.sock"),
      ticketKeys: randomBytes(TICKET_KEY_BYTES),
      logLevel: parts.logLevel,
    };
    const answer = answers.answer.bind(answers);
    const seen = foundation.lastSeen.take.bind(foundation.lastSeen);
    this.#fleet = new Fleet(
      { entry: parts.workerEntry, start, log: parts.log, answer, keySets: () => keySets.current(), seen },
      this.#snapshot,
    );
  }

  get settings(): Settings {
    return this.#settings;
  }

  get snapshot(): Snapshot {
    return this.#snapshot;
  }

  get fleet(): Fleet {
    return this.#fleet;
  }

  /** Starts listening; resolves when everything is ready for traffic. On failure everything is closed again. */
  async start(): Promise<Started> {
    try {
      await this.foundation.recover();
      await this.foundation.keySets.use(this.#settings.identity.issuers);
      await this.#listenControl();
      const port = await this.#fleet.start();
      const admin = await this.#listenAdmin();
      removeLeftBehind(readRunFile(this.#settings.store.dataDir));
      const opsSocket = join(this.#socketDir, "ops.sock");
      this.foundation.lock.announce({ pid: process.pid, opsSocket, readyUrl: this.#readyUrl(port) });
      this.#every(FOLD_MS, () => this.foundation.ledger.fold());
      this.#every(CREDITS_MS, () => this.foundation.planCredits.tick());
      this.#every(PLAN_TERMS_MS, () => this.foundation.planTerms.tick());
      this.#every(EXPIRE_MS, () => this.foundation.services.reservations.expire());
      this.#every(SWEEP_MS, async () => {
        this.#sweep();
        await this.foundation.ledger.prune();
        await this.foundation.services.events.prune();
        await this.foundation.services.reservations.prune();
        await this.foundation.services.sessions.prune();
      });
      if (this.#newAdminToken !== null) await keepAdminToken(this.foundation, this.#newAdminToken);
      this.#ready = true;
      return {
        listen: textAddress(this.#settings.server.listen.host, port),
        admin,
        newAdminToken: this.#newAdminToken,
      };
    } catch (error) {
      await this.#close();
      throw error;
    }
  }

  /** Drops counters long over, but for those of requests under way: should their worker die, units are given back by place. */
  #sweep(): void {
    this.foundation.counters.sweep(forgetMs(), reservedUnits(this.#live.inFlight));
  }

  /** Where a process of the same machine asks; an address that means all is asked on loopback. */
  #readyUrl(port: number): string {
    const { listen, prefix, tls } = this.#settings.server;
    const host = { "0.0.0.0": "127.0.0.1", "::": "::1" }[listen.host] ?? listen.host;
    return `${tls === null ? "http" : "https"}://${textAddress(host, port)}${prefix}/ready`;
  }

  async #listenControl(): Promise<void> {
    const selfService = buildSelfService(this.foundation.services, this.#apiLog(), () => this.#ready);
    const ops = buildAdmin({ ...this.#adminParts(), token: null });
    this.#apps.push(selfService, ops);
    await selfService.listen({ path: join(this.#socketDir, "control.sock") });
    await ops.listen({ path: join(this.#socketDir, "ops.sock") });
  }

  async #listenAdmin(): Promise<string | null> {
    const address = this.#settings.server.admin;
    if (address === null) return null;
    const app = buildAdmin({ ...this.#adminParts(), token: this.#adminToken });
    this.#apps.push(app);
    const url = await app.listen({ host: address.host, port: address.port });
    return textAddress(address.host, Number(new URL(url).port));
  }

  /** Fastify tells of every socket it listens on; one `ready` line says it all. */
  #apiLog(): Logger {
    const { log } = this.#parts;
    return log.child({}, { level: log.isLevelEnabled("warn") ? "warn" : log.level });
  }

  #adminParts() {
    const registry = buildMetrics({
      table: this.#live.metrics,
      routeNames: this.#live.routeNames,
      workers: () => this.#fleet.size,
      configGood: () => this.#configGood,
    });
    const metrics = async () => ({ contentType: registry.contentType, text: await registry.metrics() });
    return { services: this.foundation.services, log: this.#apiLog(), ready: () => this.#ready, metrics };
  }

  /**
   * Takes new settings into force for the next request; resolves when every worker has them, with the names of changed settings
   * that need a restart. Throws and changes nothing when they cannot be used.
   */
  reload(settings: Settings): Promise<readonly string[]> {
    return this.foundation.ledger.counting.serial(() => this.#reload(settings));
  }

  /** New shapes of windows are counted from the ledger before any worker counts by them; what was on its way is added after. */
  async #reload(settings: Settings): Promise<readonly string[]> {
    const { keySets, ledger } = this.foundation;
    await ledger.useShapes(settings);
    await keySets.use(settings.identity.issuers);
    const ignored = needRestart(this.#settings, settings);
    await this.#note(settings);
    // A worker that is replaced later takes the lane that the others have, and speaks TLS if they do.
    const { listen, admin, lane } = this.#settings.server;
    const tls = this.#settings.server.tls === null ? null : (settings.server.tls ?? this.#settings.server.tls);
    const server = { ...settings.server, listen, admin, lane, tls };
    this.#settings = { ...settings, server, store: this.#settings.store };
    if (settings.server.adminToken !== null) this.#adminToken.replace(settings.server.adminToken);
    this.#snapshot = snapshotOf(this.#settings, this.#snapshot, ledger.counting.epoch);
    await Promise.all(Object.entries(keySets.current()).map(([issuer, keys]) => this.#fleet.useKeySet(issuer, keys)));
    await this.#fleet.useSnapshot(this.#snapshot);
    this.#configGood = true;
    await ledger.foldSoon();
    return ignored;
  }

  async #note(settings: Settings): Promise<void> {
    const sections = changedSections(this.#settings, settings);
    const deed = { action: "config.reloaded", target: settings.file, account: null, before: null, after: { sections } };
    if (sections.length > 0) await this.foundation.services.audit.record(deed);
  }

  /** A reload was refused before it got here: for the metric. */
  reloadRefused(): void {
    this.#configGood = false;
  }

  /** Answers what is under way, takes nothing new, writes all usage into the ledger. True when all ended within `server.drainTimeout`. */
  async stop(): Promise<boolean> {
    this.#ready = false;
    const inTime = await this.#fleet.stop(this.#settings.server.drainTimeoutMs);
    await this.foundation.ledger.foldSoon();
    await this.#close();
    return inTime;
  }

  async #close(): Promise<void> {
    for (const timer of this.#timers) clearInterval(timer);
    await this.#fleet.stop(0);
    await Promise.all(this.#apps.map((app) => app.close()));
    rmSync(this.#socketDir, { recursive: true, force: true });
    await this.foundation.close();
  }

  #every(ms: number, work: () => Promise<void>): void {
    const run = () =>
      work().catch((error: unknown) =>
        this.#parts.log.error({ event: "background-failed", err: error }, "Background work failed; it is tried again"),
      );
    this.#timers.push(setInterval(() => void run(), ms));
  }
}

function textAddress(host: string, port: number): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The socket folder of an earlier run that was killed. We hold the lock, so nobody uses it. */
function removeLeftBehind(run: RunFile | null): void {
  const dir = run === null || run.opsSocket === null ? null : dirname(run.opsSocket);
  if (dir !== null && basename(dir).startsWith(SOCKET_DIR_PREFIX)) rmSync(dir, { recursive: true, force: true });
}
