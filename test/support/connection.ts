/**
 * A client connection that is kept and asked again and again, so that a test stays on one worker of the gateway.
 * One request at a time; for pipelining and broken bytes see raw.ts.
 */
import { connect, type Socket } from "node:net";
import type { Gateway } from "./process.ts";
import { requestHead } from "./raw.ts";
import { parseResponses, type RawResponse } from "./raw-response.ts";
import { until } from "./until.ts";

export interface Connection extends Disposable {
  /** Sends one request without a body and waits for its final answer. Rejects when the peer closes before its end. */
  ask(method: string, target: string, headers?: readonly string[]): Promise<RawResponse>;
  readonly closed: boolean;
}

export async function openConnection(port: number): Promise<Connection> {
  const socket = connect({ port, host: "127.0.0.1", noDelay: true });
  await new Promise<void>((resolve, reject) => {
    socket.once("connect", resolve);
    socket.once("error", reject);
  });
  return new KeptConnection(socket);
}

/** One connection to each of the gateway's workers, told apart by what they log. Needs the standard `server.prefix`. */
export async function connectionToEach(gateway: Gateway, workers: number): Promise<readonly Connection[]> {
  const found = new Map<unknown, Connection>();
  for (let attempt = 0; found.size < workers; attempt++) {
    if (attempt === 200) throw new Error(`200 connections reached only ${found.size} workers`);
    const connection = await openConnection(gateway.port);
    const worker = await workerOf(connection, gateway, `which-worker-${attempt}`);
    if (found.has(worker)) connection[Symbol.dispose]();
    else found.set(worker, connection);
  }
  return [...found.values()];
}

/** A refusal is logged with the worker that refused. */
async function workerOf(connection: Connection, gateway: Gateway, id: string): Promise<unknown> {
  await connection.ask("GET", "/_tollgate/auth/me", [`X-Request-Id: ${id}`]);
  return await until("the log names the worker", () => gateway.logs().find((line) => line.request_id === id)?.worker);
}

class KeptConnection implements Connection {
  readonly #socket: Socket;
  #bytes = Buffer.alloc(0);
  #closed = false;
  #onChange = (): void => {};

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (part) => {
      this.#bytes = Buffer.concat([this.#bytes, part]);
      this.#onChange();
    });
    socket.on("error", () => socket.destroy());
    for (const event of ["end", "close"]) {
      socket.on(event, () => {
        this.#closed = true;
        this.#onChange();
      });
    }
  }

  get closed(): boolean {
    return this.#closed;
  }

  ask(method: string, target: string, headers: readonly string[] = []): Promise<RawResponse> {
    this.#bytes = Buffer.alloc(0);
    this.#socket.write(Buffer.from(requestHead(method, target, headers), "latin1"));
    return new Promise((resolve, reject) => {
      this.#onChange = () => {
        const response = parseResponses(this.#bytes, { closed: this.#closed, methods: [method] }).find(
          ({ status, complete }) => complete && status >= 200,
        );
        if (response !== undefined) resolve(response);
        else if (this.#closed) reject(new Error(`Closed before the end of the answer to ${method} ${target}`));
      };
      this.#onChange();
    });
  }

  [Symbol.dispose](): void {
    this.#socket.destroy();
  }
}
