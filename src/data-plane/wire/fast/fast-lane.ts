/**
 * The fast lane: our own strict HTTP/1.1 over `node:net`, for every request but upgrades. Worker thread.
 * Owns the listener and the connections on it, looks after those that keep it waiting, and drains. Whatever it does not cover goes to
 * the full lane at a request's beginning, with the bytes read so far.
 */
import { createServer, type Server, type Socket } from "node:net";
import type { LimitSettings } from "#config/settings.ts";
import { ClientConnection } from "./client-connection.ts";
import type { ClientLane, FastLaneParts } from "./client-lane.ts";

/** How often connections are looked at: often enough for the shortest time that is set, and no oftener than needed. */
const SWEEP_MS_MAX = 500;
const SWEEP_MS_MIN = 20;

/** What else is to be looked at when connections are. */
export type SweepListener = (nowMs: number) => void;

export interface FullLaneDoor {
  /** Takes a connection over; the bytes are the first of a request. */
  takeOver(socket: Socket, bytes: Buffer): void;
}

export class FastLane implements ClientLane {
  readonly server: Server;
  readonly gate: FastLaneParts["gate"];
  readonly settler: FastLaneParts["settler"];
  readonly meterFault: FastLaneParts["meterFault"];
  readonly metrics: FastLaneParts["metrics"];
  readonly refusals: FastLaneParts["refusals"];
  readonly room: FastLaneParts["room"];
  readonly saturation: FastLaneParts["saturation"];
  readonly lasting: FastLaneParts["lasting"];
  readonly turn: FastLaneParts["turn"];
  readonly #full: FullLaneDoor;
  readonly #onSweep: SweepListener;
  readonly #connections = new Set<ClientConnection>();
  /** Connections that the full lane has now. */
  readonly #handedOver = new Set<Socket>();
  #limits: LimitSettings;
  #idleSeconds = 0;
  #sweeper: NodeJS.Timeout | undefined;
  #draining = false;
  /** While draining: hears when the last connection has closed. */
  #onEmpty: (() => void) | null = null;

  constructor(parts: FastLaneParts, full: FullLaneDoor, limits: LimitSettings, onSweep: SweepListener) {
    this.gate = parts.gate;
    this.settler = parts.settler;
    this.meterFault = parts.meterFault;
    this.metrics = parts.metrics;
    this.refusals = parts.refusals;
    this.room = parts.room;
    this.saturation = parts.saturation;
    this.lasting = parts.lasting;
    this.turn = parts.turn;
    this.#full = full;
    this.#onSweep = onSweep;
    this.#limits = limits;
    this.#idleSeconds = Math.floor(limits.idleTimeoutMs / 1000);
    const options = { allowHalfOpen: true, noDelay: true, pauseOnConnect: true };
    this.server = createServer(options, (socket) => this.take(socket));
    this.#sweepOften();
  }

  get limits(): LimitSettings {
    return this.#limits;
  }

  get idleSeconds(): number {
    return this.#idleSeconds;
  }

  get isDraining(): boolean {
    return this.#draining;
  }

  /** Serves a connection; plain or TLS is all the same. */
  take(socket: Socket): void {
    const connection = new ClientConnection(this, socket);
    this.#connections.add(connection);
    if (!this.room.enter(connection.place)) return connection.evict();
    if (this.#draining) connection.drain();
  }

  closed(connection: ClientConnection): void {
    this.#connections.delete(connection);
    this.#lookWhetherEmpty();
  }

  handOver(connection: ClientConnection, socket: Socket, bytes: Buffer): void {
    this.metrics.count("lane_handovers");
    this.#handedOver.add(socket);
    this.#connections.delete(connection);
    socket.on("close", () => {
      this.#handedOver.delete(socket);
      this.#lookWhetherEmpty();
    });
    this.#full.takeOver(socket, bytes);
  }

  #lookWhetherEmpty(): void {
    if (this.#connections.size === 0 && this.#handedOver.size === 0) this.#onEmpty?.();
  }

  /** Limits of a reloaded configuration; times hold at once, the size of heads for connections made from now on. */
  useLimits(limits: LimitSettings): void {
    this.#limits = limits;
    this.#idleSeconds = Math.floor(limits.idleTimeoutMs / 1000);
    this.#sweepOften();
  }

  #sweepOften(): void {
    const { headerTimeoutMs, idleTimeoutMs, requestTimeoutMs } = this.#limits;
    const shortest = Math.min(headerTimeoutMs, idleTimeoutMs, requestTimeoutMs);
    clearInterval(this.#sweeper);
    const everyMs = Math.min(SWEEP_MS_MAX, Math.max(SWEEP_MS_MIN, shortest / 8));
    this.#sweeper = setInterval(() => this.#sweep(), everyMs).unref();
  }

  #sweep(): void {
    const now = performance.now();
    for (const connection of this.#connections) connection.sweep(now);
    this.#onSweep(now);
  }

  /** Looks at nobody any more. */
  stop(): void {
    clearInterval(this.#sweeper);
  }

  /** Finishes what is under way, closes idle connections, takes no new ones; resolves when all are closed. */
  async drain(): Promise<void> {
    this.#draining = true;
    // The server does not know of connections whose sockets were made anew: those are waited for here.
    const closed = new Promise<void>((resolve) => this.server.close(() => resolve()));
    const empty = new Promise<void>((resolve) => (this.#onEmpty = resolve));
    for (const connection of this.#connections) connection.drain();
    this.#lookWhetherEmpty();
    await Promise.all([closed, empty]);
  }
}
