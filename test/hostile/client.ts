/**
 * One hostile client: a connection of its own, from an address of its own, that sends what it is told and then only listens until the
 * gateway closes. The address comes back in `X-Forwarded-For` of whatever is forwarded for it: so each message is known by its sender,
 * without a byte of the stream being touched. Needs a system where all of 127.0.0.0/8 is loopback (Linux).
 */
import { connect, type Socket } from "node:net";

/** How a connection came to its end: closed by the gateway in order, by a reset, or not at all. */
export type Ending = "closed" | "reset" | "hung";

export interface Answers {
  /** Statuses of the answers in their order, interim ones left out. */
  readonly statuses: readonly number[];
  readonly ending: Ending;
}

/** Far beyond every time the gateway's configuration gives a client. */
const HANG_MS = 30_000;
/** What stands in bodies never looks like this: problem JSON has no version before three digits. */
const STATUS = /HTTP\/1\.1 ([2-5]\d\d) /g;

/** 127.1.0.1 and on, for numbers from 0 up to 16 million. */
export function addressOf(number: number): string {
  const rest = Math.floor(number / 254);
  return `127.${1 + (Math.floor(rest / 256) % 254)}.${rest % 256}.${1 + (number % 254)}`;
}

export class Client {
  readonly done: Promise<Answers>;
  readonly #socket: Socket;
  #text = "";
  #reset = false;
  #hung = false;
  #onText = (): void => {};

  constructor(port: number, number: number) {
    this.#socket = connect({ port, host: "127.0.0.1", localAddress: addressOf(number), noDelay: true });
    this.#socket.setTimeout(HANG_MS, () => {
      this.#hung = true;
      this.#socket.destroy();
    });
    this.#socket.on("data", (bytes: Buffer) => this.#read(bytes));
    this.#socket.on("error", () => (this.#reset = true));
    this.done = new Promise((resolve) => this.#socket.on("close", () => resolve(this.#answers())));
  }

  send(bytes: Buffer): void {
    if (this.#socket.writable) this.#socket.write(bytes);
  }

  /** When so many answers have begun to come, or the connection has ended. */
  async answered(count: number): Promise<void> {
    const come = new Promise<void>((resolve) => {
      this.#onText = () => this.#statuses().length >= count && resolve();
      this.#onText();
    });
    await Promise.race([come, this.done]);
  }

  leave(): void {
    this.#socket.destroy();
  }

  #read(bytes: Buffer): void {
    this.#text += bytes.toString("latin1");
    this.#onText();
  }

  #statuses(): readonly number[] {
    return Array.from(this.#text.matchAll(STATUS), ([, status]) => Number(status));
  }

  #answers(): Answers {
    this.#onText();
    const ending = this.#hung ? "hung" : this.#reset ? "reset" : "closed";
    return { statuses: this.#statuses(), ending };
  }
}
