/**
 * An upstream over plain TCP that keeps every byte it gets, connection by connection, for the judge. It frames as tolerantly as it can,
 * only to know when to answer: a small 200 for each message, and for bytes that it cannot frame too, so that nobody waits for it.
 */
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { TOLERANT } from "./readers/dialects.ts";
import { readOne } from "./readers/lenient.ts";
import { until } from "#test/support/until.ts";

/** What came on one connection since it was asked last, as latin1 texts. */
export interface Record {
  /** One for each message that was answered, as this upstream cut them. */
  readonly messages: readonly string[];
  /** What came behind them. */
  readonly rest: string;
}

/** Longer than any connection of the gateway's lives after its client is gone. */
const UNDER_WAY_MS = 10_000;
const ANSWER = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\n";

export class RecordingUpstream implements AsyncDisposable {
  readonly #server: Server;
  readonly #connections = new Set<Connection>();

  private constructor() {
    this.#server = createServer({ noDelay: true }, (socket) => this.#connections.add(new Connection(socket)));
  }

  static async start(): Promise<RecordingUpstream> {
    const upstream = new RecordingUpstream();
    await new Promise<void>((resolve) =>
      upstream.#server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, resolve),
    );
    return upstream;
  }

  get url(): string {
    // A TCP listener's address is never a string or null.
    return `http://127.0.0.1:${(this.#server.address() as AddressInfo).port}`;
  }

  /** Takes what was recorded and forgets it. Waits a while for messages that are half there; what then still is one is taken as it is. */
  async take(): Promise<readonly Record[]> {
    const isWhole = () => ![...this.#connections].some(({ isWaiting }) => isWaiting);
    await until("no message is under way", isWhole, UNDER_WAY_MS).catch(() => undefined);
    const records: Record[] = [];
    for (const connection of this.#connections) {
      const record = connection.take();
      if (record.messages.length > 0 || record.rest !== "") records.push(record);
      if (connection.isClosed) this.#connections.delete(connection);
    }
    return records;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const connection of this.#connections) connection.destroy();
    await closed;
  }
}

class Connection {
  readonly #socket: Socket;
  #messages: string[] = [];
  #rest = "";
  #closed = false;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (bytes: Buffer) => this.#read(bytes));
    socket.on("close", () => (this.#closed = true));
    // `close` follows.
    socket.on("error", () => undefined);
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  get isWaiting(): boolean {
    return !this.#closed && this.#rest !== "";
  }

  take(): Record {
    const record = { messages: this.#messages, rest: this.#rest };
    this.#messages = [];
    this.#rest = "";
    return record;
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#rest += bytes.toString("latin1");
    while (this.#rest !== "") {
      const one = readOne(this.#rest, 0, TOLERANT);
      if (one === "incomplete") return;
      if (one === "no request") return this.#giveUp();
      if (!one.message.whole) return;
      this.#messages.push(this.#rest.slice(0, one.end));
      this.#rest = this.#rest.slice(one.end);
      this.#socket.write(one.message.method === "HEAD" ? ANSWER : `${ANSWER}ok`, "latin1");
    }
  }

  /** Says yes to what it cannot frame, and hears no more. */
  #giveUp(): void {
    this.#socket.end(`${ANSWER}ok`, "latin1");
  }
}
