/**
 * A client connection of which a test says when it sends, reads and leaves: for clients that read nothing, or slowly, or go away.
 * For whole exchanges see raw.ts.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { parseResponses, type RawResponse } from "./raw-response.ts";

export interface ClientOptions {
  /** What is read of what comes: "all" at once (the default), "nothing" until `readAll`, or so many bytes a second. */
  readonly reads?: "all" | "nothing" | number;
}

const READ_EVERY_MS = 5;

export class Client implements Disposable {
  readonly #socket: Socket;
  readonly #parts: Buffer[] = [];
  #reader: NodeJS.Timeout | undefined;
  #closed = false;

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("error", () => (this.#closed = true));
    for (const event of ["end", "close"]) socket.on(event, () => (this.#closed = true));
  }

  static async open(port: number, { reads = "all" }: ClientOptions = {}): Promise<Client> {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true, allowHalfOpen: true });
    await once(socket, "connect");
    const client = new Client(socket);
    if (reads === "all") client.readAll();
    else if (reads !== "nothing") client.#readSteadily(reads);
    return client;
  }

  /** Resolves when the system has all of it; text is latin1. */
  send(bytes: string): Promise<void> {
    return new Promise((resolve) => void this.#socket.write(bytes, "latin1", () => resolve()));
  }

  readAll(): void {
    this.#socket.on("data", (part) => this.#parts.push(part));
  }

  #readSteadily(bytesPerSecond: number): void {
    // A listener is what makes the socket read; it stops by itself when its buffer is full.
    this.#socket.on("readable", () => undefined);
    let now = performance.now();
    let may = 0;
    this.#reader = setInterval(() => {
      // By the clock: on a busy machine timers come late.
      const then = now;
      now = performance.now();
      may += ((now - then) * bytesPerSecond) / 1000;
      const part: Buffer | null = this.#socket.read(Math.min(Math.floor(may), this.#socket.readableLength));
      if (part !== null) this.#parts.push(part);
      may -= part?.length ?? 0;
    }, READ_EVERY_MS);
  }

  /** Whether the gateway has closed or reset the connection, and all that came before has been read. */
  get closed(): boolean {
    return this.#closed;
  }

  /** For `unreadBy`. */
  get socket(): Socket {
    return this.#socket;
  }

  /** The answers so far, interim ones too. */
  get responses(): readonly RawResponse[] {
    return parseResponses(Buffer.concat(this.#parts), { closed: this.#closed, methods: [] });
  }

  /** Statuses of the answers that are whole, interim ones too. */
  get statuses(): readonly number[] {
    return this.responses.flatMap(({ status, complete }) => (complete ? [status] : []));
  }

  [Symbol.dispose](): void {
    clearInterval(this.#reader);
    this.#socket.destroy();
  }
}
