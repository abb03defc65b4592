/**
 * A real HTTP server that stands behind the gateway in tests: counts requests, keeps each one as it was received, byte for
 * byte, and answers what the test says. Does not check anything by itself.
 */
import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

export interface RecordedRequest {
  readonly method: string;
  /** The request target as it was sent. */
  readonly url: string;
  /** Names and values in turn, in the order and case they came in, repeated ones too. */
  readonly rawHeaders: readonly string[];
  /** Values by lower-case name; repeated ones joined with ", ". */
  readonly headers: Readonly<Record<string, string>>;
  /** Request line and header section with their line ends, as the bytes came in. */
  readonly head: string;
  /** Decoded from its transfer coding. */
  readonly body: Buffer;
  readonly rawTrailers: readonly string[];
}

/** Called when the whole request has arrived. Ends the response itself; what it throws becomes a 500. */
export type UpstreamHandler = (request: RecordedRequest, response: ServerResponse) => void | Promise<void>;

export interface Upstream extends AsyncDisposable {
  readonly url: string;
  readonly port: number;
  /** Whole requests, oldest first. */
  readonly requests: readonly RecordedRequest[];
  /** Requests whose head arrived, whole or not. */
  readonly count: number;
  /** Connections open now. */
  readonly connections: number;
  last(): RecordedRequest;
  /** Another answer from the next request on; none brings the echo back. */
  answer(handler?: UpstreamHandler): void;
  /** Forgets the requests so far. */
  clear(): void;
  /** Closes the listener and every connection. */
  close(): Promise<void>;
}

/** Without a handler it answers 200 and JSON: `{ method, url, headers, bodySha256, bodyLength }`, `headers` as in `rawHeaders`. */
export async function startUpstream(handler: UpstreamHandler = echo): Promise<Upstream> {
  const upstream = new RecordingUpstream(handler);
  await upstream.listen();
  return upstream;
}

export function echo(request: RecordedRequest, response: ServerResponse): void {
  const body = JSON.stringify({
    method: request.method,
    url: request.url,
    headers: request.rawHeaders,
    bodySha256: createHash("sha256").update(request.body).digest("hex"),
    bodyLength: request.body.length,
  });
  response.writeHead(200, { "content-type": "application/json", "content-length": Buffer.byteLength(body) }).end(body);
}

class RecordingUpstream implements Upstream {
  readonly #server: Server;
  readonly #sockets = new Set<Socket>();
  readonly #heads = new WeakMap<Socket, HeadReader>();
  #handler: UpstreamHandler;
  #requests: RecordedRequest[] = [];
  #count = 0;

  constructor(handler: UpstreamHandler) {
    this.#handler = handler;
    this.#server = createServer(
      { keepAliveTimeout: 60_000 },
      (request, response) => void this.#serve(request, response),
    );
    this.#server.on("connection", (socket) => this.#watch(socket));
  }

  async listen(): Promise<void> {
    await new Promise<void>((resolve) => this.#server.listen(0, "127.0.0.1", resolve));
  }

  get port(): number {
    // A TCP listener's address is never a string or null.
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `http://127.0.0.1:${this.port}`;
  }

  get requests(): readonly RecordedRequest[] {
    return this.#requests;
  }

  get count(): number {
    return this.#count;
  }

  get connections(): number {
    return this.#sockets.size;
  }

  last(): RecordedRequest {
    const request = this.#requests.at(-1);
    if (request === undefined) throw new Error("The upstream got no request");
    return request;
  }

  answer(handler: UpstreamHandler = echo): void {
    this.#handler = handler;
  }

  clear(): void {
    this.#requests = [];
    this.#count = 0;
  }

  async close(): Promise<void> {
    const closed = new Promise<void>((resolve) => this.#server.close(() => resolve()));
    for (const socket of this.#sockets) socket.destroy();
    await closed;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#server.listening) await this.close();
  }

  #watch(socket: Socket): void {
    this.#sockets.add(socket);
    socket.on("close", () => this.#sockets.delete(socket));
    const reader = new HeadReader();
    this.#heads.set(socket, reader);
    // First in line: the parser's own listener raises the request while it is at work on the same bytes.
    socket.prependListener("data", (chunk: Buffer) => reader.push(chunk));
  }

  async #serve(incoming: IncomingMessage, response: ServerResponse): Promise<void> {
    this.#count += 1;
    try {
      const reader = this.#heads.get(incoming.socket);
      const head = reader?.take(`${incoming.method} ${incoming.url} HTTP/${incoming.httpVersion}\r\n`) ?? "";
      const request = await record(incoming, head);
      reader?.clear();
      this.#requests.push(request);
      await this.#handler(request, response);
    } catch (error) {
      if (!response.headersSent) response.writeHead(500);
      response.end(String(error));
    }
  }
}

async function record(incoming: IncomingMessage, head: string): Promise<RecordedRequest> {
  const parts: Buffer[] = [];
  for await (const part of incoming) parts.push(part);
  return {
    method: incoming.method ?? "",
    url: incoming.url ?? "",
    rawHeaders: incoming.rawHeaders,
    headers: joined(incoming),
    head,
    body: Buffer.concat(parts),
    rawTrailers: incoming.rawTrailers,
  };
}

function joined(incoming: IncomingMessage): Readonly<Record<string, string>> {
  const pairs = Object.entries(incoming.headersDistinct).map(([name, values]) => [name, (values ?? []).join(", ")]);
  return Object.fromEntries(pairs);
}

/** Gathers a connection's bytes, so that each request's head can be cut out of them as it came in. */
class HeadReader {
  #bytes = "";

  push(chunk: Buffer): void {
    this.#bytes += chunk.toString("latin1");
  }

  /** The head that starts with this request line; empty when it is not there (pipelined over several reads, say). */
  take(requestLine: string): string {
    const start = this.#bytes.indexOf(requestLine);
    const end = this.#bytes.indexOf("\r\n\r\n", start);
    if (start === -1 || end === -1) return "";
    const head = this.#bytes.slice(start, end + 4);
    this.#bytes = this.#bytes.slice(end + 4);
    return head;
  }

  /** Forgets the body that was read, which may hold what looks like another head. */
  clear(): void {
    this.#bytes = "";
  }
}
