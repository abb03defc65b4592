/**
 * Load with a memory: several keep-alive connections, one request at a time on each, every request under an id of its own
 * (`x-request-id`). Knows of each id whether it was sent and whether the first byte of its answer came back. Raw sockets,
 * because the first byte is what the metering guarantee speaks of. Does not reconnect: a lost connection stays lost.
 */
import { connect, type Socket } from "node:net";

export interface LoadOptions {
  readonly port: number;
  readonly key: string;
  readonly connections: number;
  /** Ids are `{name}-{connection}-{count}`. */
  readonly name: string;
  /** Path of the next request. */
  readonly path: () => string;
}

export interface Load {
  /** Ids whose request was handed to the kernel. */
  readonly sent: ReadonlySet<string>;
  /** Ids of which at least the first byte of a 200 arrived. */
  readonly delivered: ReadonlySet<string>;
  /** Ids of which a whole 200 arrived. */
  readonly complete: ReadonlySet<string>;
  /** Statuses other than 200, by id. */
  readonly refused: ReadonlyMap<string, number>;
  /** Milliseconds from the sending of each request to its whole answer, in no order. */
  readonly latenciesMs: readonly number[];
  /** Lets each connection end its request, then closes it; resolves when all are closed, by whomever. */
  stop(): Promise<void>;
  /** Resolves when all connections are closed without being asked to. */
  ended(): Promise<void>;
}

interface Memory {
  readonly sent: Set<string>;
  readonly delivered: Set<string>;
  readonly complete: Set<string>;
  readonly refused: Map<string, number>;
  readonly latenciesMs: number[];
}

/** Starts at once; resolves when every connection stands. */
export async function startLoad(options: LoadOptions): Promise<Load> {
  const memory: Memory = {
    sent: new Set(),
    delivered: new Set(),
    complete: new Set(),
    refused: new Map(),
    latenciesMs: [],
  };
  const lines = Array.from({ length: options.connections }, (_, index) => new Line(options, index, memory));
  const ended = Promise.all(lines.map((line) => line.closed)).then(() => undefined);
  await Promise.all(lines.map((line) => line.open()));
  return {
    ...memory,
    ended: () => ended,
    stop: () => {
      for (const line of lines) line.stop();
      return ended;
    },
  };
}

/** One connection. */
class Line {
  readonly closed: Promise<void>;
  readonly #socket: Socket;
  readonly #options: LoadOptions;
  readonly #index: number;
  readonly #memory: Memory;
  #count = 0;
  #id = "";
  #sentAt = 0;
  /** What came of the answer to `#id`. */
  #bytes = "";
  #stopping = false;

  constructor(options: LoadOptions, index: number, memory: Memory) {
    this.#options = options;
    this.#index = index;
    this.#memory = memory;
    this.#socket = connect({ port: options.port, host: "127.0.0.1", noDelay: true });
    this.closed = new Promise((resolve) => this.#socket.on("close", () => resolve()));
    this.#socket.setEncoding("latin1");
    this.#socket.on("data", (part: string) => this.#take(part));
    // A reset is what a killed gateway looks like; `close` follows.
    this.#socket.on("error", () => undefined);
  }

  async open(): Promise<void> {
    await Promise.race([new Promise<void>((resolve) => this.#socket.on("connect", () => resolve())), this.closed]);
    this.#next();
  }

  stop(): void {
    this.#stopping = true;
    if (this.#id === "") this.#socket.end();
  }

  #next(): void {
    this.#bytes = "";
    this.#id = "";
    if (this.#stopping) {
      this.#socket.end();
      return;
    }
    const { key, name, path } = this.#options;
    this.#id = `${name}-${this.#index}-${++this.#count}`;
    this.#memory.sent.add(this.#id);
    this.#sentAt = performance.now();
    this.#socket.write(
      `GET ${path()} HTTP/1.1\r\nHost: test\r\nAuthorization: Bearer ${key}\r\nX-Request-Id: ${this.#id}\r\n\r\n`,
    );
  }

  #take(part: string): void {
    this.#bytes += part;
    const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(this.#bytes)?.[1] ?? 200);
    if (status === 200) this.#memory.delivered.add(this.#id);
    else this.#memory.refused.set(this.#id, status);
    if (!isWhole(this.#bytes)) return;
    this.#memory.latenciesMs.push(performance.now() - this.#sentAt);
    if (status === 200) this.#memory.complete.add(this.#id);
    if (/\r\nconnection: close\r\n/i.test(headOf(this.#bytes))) this.#socket.end();
    else this.#next();
  }
}

function headOf(bytes: string): string {
  return bytes.slice(0, bytes.indexOf("\r\n\r\n") + 2);
}

/** Bodies hold no line ends, so the end of a chunked one is its last five bytes. */
function isWhole(bytes: string): boolean {
  const end = bytes.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(bytes.slice(0, end + 2))?.[1];
  return length === undefined ? bytes.endsWith("\r\n0\r\n\r\n") : bytes.length >= end + 4 + Number(length);
}
