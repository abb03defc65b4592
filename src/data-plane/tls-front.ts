/**
 * TLS before a lane: takes connections, shakes hands, and gives the lane what is encrypted from then on, which is all the same to it.
 * Worker thread. HTTP/1.1 is all that is offered (ALPN). One that shakes hands has a place among the clients, as if it had no request.
 */
import type { Server as NetServer, Socket } from "node:net";
import { createServer, type SecureContextOptions, type Server, type TLSSocket } from "node:tls";
import type { LimitSettings, ServerSettings, TlsSettings } from "#config/settings.ts";
import { DRAIN_IDLE_MS } from "#data-plane/wire/closing.ts";
import { type ClientRoom, Place } from "#data-plane/wire/client-room.ts";

const LOOK_MS = 5000;
/** In node's own words for never: the longest time its timers take. */
const NEVER_MS = 2 ** 31 - 1;

export interface TlsFrontParts {
  readonly tls: TlsSettings;
  /** 48 bytes, the same in all workers. */
  readonly ticketKeys: Uint8Array;
  readonly room: ClientRoom;
  /** Gets the connections; does not listen itself. */
  readonly lane: NetServer;
}

interface Shaking {
  readonly place: Place;
  /** Ends it when its time is over. */
  readonly late: NodeJS.Timeout;
}

export class TlsFront {
  /** What listens. */
  readonly server: Server;
  readonly #room: ClientRoom;
  /** Connections that shake hands, by both ends' addresses: node does not say which one a TLS socket came from. */
  readonly #shaking = new Map<string, Shaking>();
  /** Bytes that waited to be sent at the last look. */
  readonly #open = new Map<TLSSocket, number>();
  /** Time a client has to shake hands. */
  #handshakeMs: number;
  #closing = false;

  constructor({ tls, ticketKeys, room, lane }: TlsFrontParts, { limits, lane: kind }: ServerSettings) {
    this.#room = room;
    this.#handshakeMs = limits.headerTimeoutMs;
    const options = {
      ...contextOf(tls),
      ALPNProtocols: ["http/1.1"],
      ticketKeys: Buffer.from(ticketKeys),
      // A reload could not change node's.
      handshakeTimeout: NEVER_MS,
      // A client that goes away while hands are shaken is gone; the lane answers one that only has no more to say.
      allowHalfOpen: false,
      noDelay: true,
      pauseOnConnect: kind !== "full",
    };
    this.server = createServer(options, (socket) => {
      this.#leave(endsOf(socket));
      socket.allowHalfOpen = true;
      this.#open.set(socket, 0);
      lane.emit("connection", socket);
    });
    setInterval(() => this.#endUnsent(), LOOK_MS).unref();
    this.server.on("connection", (socket: Socket) => this.#enter(socket));
    // It speaks no TLS, or none that we take, or not in time.
    this.server.on("tlsClientError", (_error: Error, socket: TLSSocket) => void socket.destroy());
  }

  #enter(socket: Socket): void {
    const ends = endsOf(socket);
    const place = new Place({ evict: () => socket.destroy() });
    // One that has been reset already has no address any more.
    if (this.#closing || socket.remoteAddress === undefined || !this.#room.enter(place)) return void socket.destroy();
    const late = setTimeout(() => socket.destroy(), this.#handshakeMs).unref();
    this.#shaking.set(ends, { place, late });
    socket.on("close", () => {
      clearTimeout(late);
      if (this.#shaking.get(ends)?.place === place) this.#shaking.delete(ends);
      this.#room.leaves(place);
    });
  }

  /**
   * When a client resets, node sometimes tells no more than that it will send nothing (TLS only; seen with 24.21): what is written then is
   * never sent and never fails, and the lane would wait for it. Not by events: who takes a socket over also takes its listeners off.
   */
  #endUnsent(): void {
    for (const [socket, before] of this.#open) {
      const waiting = socket.readableEnded ? socket.writableLength : 0;
      if (waiting > 0 && waiting === before) socket.destroy();
      if (socket.destroyed) this.#open.delete(socket);
      else this.#open.set(socket, waiting);
    }
  }

  #leave(ends: string): void {
    const shaking = this.#shaking.get(ends);
    if (shaking === undefined) return;
    this.#shaking.delete(ends);
    clearTimeout(shaking.late);
    this.#room.leaves(shaking.place);
  }

  /** A renewed certificate, and other times; they hold for connections made from now on. `tls` null: the certificate stays. */
  use(tls: TlsSettings | null, { headerTimeoutMs }: LimitSettings): void {
    if (tls !== null) this.server.setSecureContext(contextOf(tls));
    this.#handshakeMs = headerTimeoutMs;
  }

  /** Lets nobody in any more, and waits for no handshake for long; resolves when all who came in have left. */
  async close(): Promise<void> {
    this.#closing = true;
    setTimeout(() => {
      for (const { place } of this.#shaking.values()) place.guest.evict();
    }, DRAIN_IDLE_MS);
    await new Promise<void>((resolve) => void this.server.close(() => resolve()));
  }
}

function contextOf({ cert, key, minVersion }: TlsSettings): SecureContextOptions {
  return { cert, key, minVersion };
}

function endsOf({ remoteAddress, remotePort, localAddress }: Socket): string {
  return `${remoteAddress}|${remotePort}|${localAddress}`;
}
