/** One client's connection to one gateway, played by hand: what is sent, what comes back, and whether it is closed. Judges nothing. */
import { connect, type Socket } from "node:net";

export class Conversation {
  readonly #socket: Socket;
  readonly #parts: Buffer[] = [];
  closed = false;
  /** How often something has come or gone. */
  events = 0;

  /** From an address of its own: the upstream knows its messages by it. */
  static open(port: number, localAddress: string): Promise<Conversation> {
    return new Promise((resolve, reject) => {
      const socket = connect({ port, host: "127.0.0.1", localAddress, noDelay: true, allowHalfOpen: true });
      socket.once("error", reject);
      socket.once("connect", () => {
        socket.off("error", reject);
        resolve(new Conversation(socket));
      });
    });
  }

  private constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (part: Buffer) => {
      this.#parts.push(part);
      this.events++;
    });
    // A reset is an end too: what a peer that closes has not read makes one of it.
    socket.on("error", () => this.#close());
    socket.on("end", () => this.#close());
    socket.on("close", () => this.#close());
  }

  #close(): void {
    if (this.closed) return;
    this.closed = true;
    this.events++;
  }

  get bytes(): Buffer {
    return Buffer.concat(this.#parts);
  }

  send(piece: Buffer): void {
    this.events++;
    if (this.#socket.writable) this.#socket.write(piece);
  }

  leave(how: "end" | "reset"): void {
    this.events++;
    if (how === "end") this.#socket.end();
    else this.#socket.resetAndDestroy();
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
