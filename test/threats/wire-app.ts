/**
 * An app that speaks by hand: it reads requests off its sockets and answers with whatever bytes a row says, well-formed or not.
 * For what no HTTP server would send. Does not judge anything; for whole requests and their records see test/support/upstream.ts.
 */
import type { Socket } from "node:net";
import { startTcp } from "#test/support/server.ts";

/** A request whose head has arrived; its body may be on its way still. */
export interface WireCall {
  /** Request line and header section with their line ends. */
  readonly head: string;
  readonly method: string;
  /** Number of its connection, from 1. */
  readonly connection: number;
  readonly socket: Socket;
  /** When its body has arrived too. */
  readonly whole: Promise<void>;
  /** What has come behind its head on its connection so far. */
  rest(): string;
}

/** What becomes of a call; texts are latin1. */
export type WireHandler = (call: WireCall) => void;

export interface WireApp extends AsyncDisposable {
  readonly url: string;
  /** `127.0.0.1:PORT`. */
  readonly authority: string;
  /** Oldest first. */
  readonly calls: readonly WireCall[];
  /** Forgets the calls so far; from now on calls are handled so. */
  script(handler: WireHandler): void;
}

export async function startWireApp(): Promise<WireApp> {
  let calls: WireCall[] = [];
  let connections = 0;
  let handle: WireHandler = ({ socket }) => socket.destroy();
  const app = await startTcp((socket) => {
    const connection = ++connections;
    let bytes = "";
    socket.on("data", (part: string) => (bytes += part));
    readHeads(socket, (head, whole) => {
      const from = bytes.lastIndexOf(head) + head.length;
      const method = head.slice(0, head.indexOf(" "));
      const call = { head, method, connection, socket, whole, rest: () => bytes.slice(from) };
      calls.push(call);
      handle(call);
    });
  });
  return {
    url: app.url,
    authority: `127.0.0.1:${app.port}`,
    get calls() {
      return calls;
    },
    script: (handler) => {
      calls = [];
      handle = handler;
    },
    [Symbol.asyncDispose]: () => app[Symbol.asyncDispose](),
  };
}

type Body = "none" | "chunked" | number;

/** Tells each head of a connection as soon as it is whole, then the end of its body. */
function readHeads(socket: Socket, onHead: (head: string, whole: Promise<void>) => void): void {
  let text = "";
  let body: Body | null = null;
  let { promise, resolve } = Promise.withResolvers<void>();
  /** Whether it has read something on. */
  const step = (): boolean => {
    const length = body === null ? text.indexOf("\r\n\r\n") + 4 : bodyLength(text, body);
    if (length === null || (body === null && length < 4)) return false;
    const read = text.slice(0, length);
    text = text.slice(length);
    if (body === null) {
      body = bodyOf(read);
      ({ promise, resolve } = Promise.withResolvers<void>());
      onHead(read, promise);
    } else {
      body = null;
      resolve();
    }
    return true;
  };
  socket.setEncoding("latin1");
  socket.on("data", (part: string) => {
    text += part;
    while (step());
  });
}

function bodyOf(head: string): Body {
  if (/^transfer-encoding:/im.test(head)) return "chunked";
  const length = /^content-length: *(\d+)/im.exec(head)?.[1];
  return length === undefined ? "none" : Number(length);
}

/** Length of a body that is at the beginning of the text; null: it is not whole yet. The gateway's chunks have no extensions. */
function bodyLength(text: string, body: Body): number | null {
  if (body === "none") return 0;
  if (body !== "chunked") return text.length < body ? null : body;
  const end = text.startsWith("0\r\n\r\n") ? 0 : text.indexOf("\r\n0\r\n\r\n");
  return end === -1 ? null : end + (end === 0 ? 5 : 7);
}

/** An answer with a body and its length. */
export function answer(status: number, body: string, ...headers: readonly string[]): string {
  return [`HTTP/1.1 ${status} Any`, ...headers, `Content-Length: ${body.length}`, "", body].join("\r\n");
}
