/**
 * Connections of the fast lane to one target: those that are idle, those under way, and the requests that wait for one. Worker thread.
 * Node's `onread` has all sockets read into one buffer of this thread: nothing is allocated for a read, and whoever wants to keep
 * bytes copies them.
 */
import { connect as connectPlain, isIP, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import type { Turn } from "#data-plane/wire/turn.ts";
import type { Seeking } from "./pool-use.ts";
import { UpstreamConnection } from "./upstream-connection.ts";

const READ_BYTES = 64 * 1024;
/** Idle connections are kept so long, unless their upstream says less or more. */
const IDLE_MS = 4000;
const IDLE_MS_MAX = 600_000;
/** A connection is not used any more when its upstream is about to close it. */
const IDLE_MARGIN_MS = 1000;

const readBuffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** Where connections go. */
export type TargetAddress =
  | { readonly kind: "tcp"; readonly host: string; readonly port: number; readonly secure: boolean }
  | { readonly kind: "unix"; readonly path: string };

export interface TargetOptions {
  readonly connectionsMax: number;
  readonly connectTimeoutMs: number;
  /** Requests that may wait for a connection. */
  readonly waitingMax: number;
}

/** A request that wants a connection. */
export interface ConnectionSeeker {
  /** Its thread's: what goes out on a connection goes out at the end of a turn. */
  readonly turn: Turn;
  onConnection(connection: UpstreamConnection): void;
  /** No connection could be made. */
  onUnreachable(): void;
}

interface Idle {
  readonly connection: UpstreamConnection;
  readonly untilMs: number;
}

export class TargetSockets {
  readonly #address: TargetAddress;
  readonly #options: TargetOptions;
  /** The one used last is the next to be used. */
  readonly #idle: Idle[] = [];
  readonly #waiting = new Set<ConnectionSeeker>();
  /** Open or being opened. */
  #count = 0;
  #closing = false;

  constructor(address: TargetAddress, options: TargetOptions) {
    this.#address = address;
    this.#options = options;
  }

  /** Gives the seeker a connection: at once when one is idle, else when one is made or comes free; never when it is told `full`. */
  take(seeker: ConnectionSeeker): Seeking {
    const now = seeker.turn.nowMs();
    for (let idle = this.#idle.pop(); idle !== undefined; idle = this.#idle.pop()) {
      if (idle.untilMs > now && !idle.connection.isClosed) {
        seeker.onConnection(idle.connection);
        return "found";
      }
      idle.connection.abort();
    }
    return this.takeNew(seeker);
  }

  /** A connection that nobody used before; waits for one when there are as many as there may be. */
  takeNew(seeker: ConnectionSeeker): Seeking {
    if (this.#count < this.#options.connectionsMax) {
      this.#open(seeker);
      return "found";
    }
    if (this.#waiting.size >= this.#options.waitingMax) return "full";
    this.#waiting.add(seeker);
    return "waits";
  }

  /** The seeker waits no longer. */
  forget(seeker: ConnectionSeeker): void {
    this.#waiting.delete(seeker);
  }

  /** Closes connections that have been idle for long. */
  sweep(nowMs: number): void {
    while (this.#idle[0] !== undefined && this.#idle[0].untilMs <= nowMs) this.#idle.shift()?.connection.abort();
  }

  /** No connection is kept any more; those under way end with their requests. */
  close(): void {
    this.#closing = true;
    for (const { connection } of this.#idle.splice(0)) connection.abort();
  }

  onIdle(connection: UpstreamConnection): void {
    const next = this.#nextWaiting();
    if (next !== null) return next.onConnection(connection);
    if (this.#closing) return connection.abort();
    const { keepAliveSeconds } = connection;
    const keptMs =
      keepAliveSeconds === null
        ? IDLE_MS
        : Math.min(IDLE_MS_MAX, Math.max(0, keepAliveSeconds * 1000 - IDLE_MARGIN_MS));
    this.#idle.push({ connection, untilMs: performance.now() + keptMs });
  }

  onClosed(): void {
    this.#count--;
    const next = this.#nextWaiting();
    if (next !== null) this.#open(next);
  }

  #nextWaiting(): ConnectionSeeker | null {
    for (const seeker of this.#waiting) {
      this.#waiting.delete(seeker);
      return seeker;
    }
    return null;
  }

  #open(seeker: ConnectionSeeker): void {
    this.#count++;
    let connection: UpstreamConnection | null = null;
    const socket = this.#connect((bytes, length) => connection?.take(bytes, length));
    const timer = setTimeout(() => socket.destroy(), this.#options.connectTimeoutMs).unref();
    const failed = () => {
      clearTimeout(timer);
      this.onClosed();
      seeker.onUnreachable();
    };
    socket.on("close", failed);
    // `close` follows.
    socket.on("error", () => undefined);
    socket.once(this.#connected, () => {
      clearTimeout(timer);
      socket.off("close", failed);
      connection = new UpstreamConnection(socket, seeker.turn, this);
      seeker.onConnection(connection);
    });
  }

  get #connected(): "connect" | "secureConnect" {
    return this.#address.kind === "tcp" && this.#address.secure ? "secureConnect" : "connect";
  }

  #connect(take: (bytes: Buffer, length: number) => void): Socket {
    const address = this.#address;
    if (address.kind === "tcp" && address.secure) {
      const { host, port } = address;
      // An address is no server name (RFC 6066 §3).
      const socket = connectTls({ host, port, servername: isIP(host) === 0 ? host : "", ALPNProtocols: ["http/1.1"] });
      socket.setNoDelay(true);
      return socket.on("data", (bytes: Buffer) => take(bytes, bytes.length));
    }
    const callback = (length: number, bytes: Uint8Array) => {
      // The buffer below, as node hands it back.
      take(bytes as Buffer, length);
      return true;
    };
    const onread = { buffer: readBuffer, callback };
    if (address.kind === "unix") return connectPlain({ path: address.path, onread });
    return connectPlain({ host: address.host, port: address.port, noDelay: true, onread });
  }
}
