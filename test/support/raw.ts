/**
 * HTTP by hand over a plain socket: sends exactly the bytes a test gives, in the pieces it gives, and reads whatever comes
 * back. For hostile and broken requests, which no HTTP client would send. Does not judge the answer.
 */
import { connect, type Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { parseResponses, type RawResponse } from "./raw-response.ts";

export interface RawOptions {
  readonly host?: string;
  /** Pause between chunks, so that each is a read of its own at the other side. */
  readonly chunkGapMs?: number;
  /**
   * Stop waiting after this much silence; default 500, and 5000 where it is known how many responses are to come: machines that others use
   * too stand still for a second now and then. The answer is then what came so far, `closed: false`.
   */
  readonly idleMs?: number;
  /** Return as soon as this many whole responses are in, without waiting for silence. */
  readonly responses?: number;
  /** Methods of the requests in order, so that a response to HEAD is read without a body. */
  readonly methods?: readonly string[];
  /** Half-close after the last chunk. */
  readonly end?: boolean;
}

export interface RawAnswer {
  readonly bytes: Buffer;
  /** The same bytes as latin1 text. */
  readonly text: string;
  /** Whether the peer closed the connection (or reset it) before this side did. */
  readonly closed: boolean;
  readonly reset: boolean;
  /** The responses in `bytes`, interim ones (1xx) too. */
  readonly responses: readonly RawResponse[];
}

const IDLE_MS = 500;
const KNOWN_IDLE_MS = 5000;
const CHUNK_GAP_MS = 20;

/** Sends `request` (text is latin1), one piece or several, and gathers the answer. Never throws for what the peer does. */
export async function rawExchange(
  port: number,
  request: string | Uint8Array | readonly (string | Uint8Array)[],
  options: RawOptions = {},
): Promise<RawAnswer> {
  const chunks = typeof request === "string" || request instanceof Uint8Array ? [request] : request;
  const socket = await open(port, options.host ?? "127.0.0.1");
  const reader = new AnswerReader(socket, options);
  try {
    await send(socket, chunks, options);
    return await reader.answer();
  } finally {
    socket.destroy();
  }
}

/** `GET / HTTP/1.1` and so on with CRLF line ends and an empty line after; `Host: test` unless `headers` has a host. */
export function requestHead(method: string, target: string, headers: readonly string[] = []): string {
  const hasHost = headers.some((header) => /^host\s*:/i.test(header));
  return [`${method} ${target} HTTP/1.1`, ...(hasHost ? [] : ["Host: test"]), ...headers, "", ""].join("\r\n");
}

function open(port: number, host: string): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host, noDelay: true, allowHalfOpen: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(socket);
    });
  });
}

async function send(socket: Socket, chunks: readonly (string | Uint8Array)[], options: RawOptions): Promise<void> {
  for (const [index, chunk] of chunks.entries()) {
    if (index > 0) await sleep(options.chunkGapMs ?? CHUNK_GAP_MS);
    if (!socket.writable) return;
    socket.write(typeof chunk === "string" ? Buffer.from(chunk, "latin1") : chunk);
  }
  if (options.end === true) socket.end();
}

class AnswerReader {
  readonly #options: RawOptions;
  readonly #parts: Buffer[] = [];
  #closed = false;
  #reset = false;
  #onChange = (): void => {};

  constructor(socket: Socket, options: RawOptions) {
    this.#options = options;
    socket.on("data", (part) => this.#change(() => this.#parts.push(Buffer.from(part))));
    socket.on("error", () => this.#change(() => (this.#reset = true)));
    for (const event of ["end", "close"]) socket.on(event, () => this.#change(() => (this.#closed = true)));
  }

  #change(apply: () => void): void {
    apply();
    this.#onChange();
  }

  /** Resolves when the peer closed, the wanted responses are in, or there was silence. */
  answer(): Promise<RawAnswer> {
    return new Promise((resolve) => {
      const finish = () => {
        clearTimeout(timer);
        this.#onChange = () => {};
        resolve(this.#snapshot());
      };
      const { idleMs, responses } = this.#options;
      const timer = setTimeout(finish, idleMs ?? (responses === undefined ? IDLE_MS : KNOWN_IDLE_MS));
      this.#onChange = () => {
        timer.refresh();
        if (this.#isDone()) finish();
      };
      if (this.#isDone()) finish();
    });
  }

  #isDone(): boolean {
    const wanted = this.#options.responses;
    if (this.#closed || this.#reset) return true;
    if (wanted === undefined) return false;
    return (
      this.#snapshot().responses.filter((response) => response.complete && response.status >= 200).length >= wanted
    );
  }

  #snapshot(): RawAnswer {
    const bytes = Buffer.concat(this.#parts);
    const closed = this.#closed || this.#reset;
    const responses = parseResponses(bytes, { closed, methods: this.#options.methods ?? [] });
    return { bytes, text: bytes.toString("latin1"), closed, reset: this.#reset, responses };
  }
}
