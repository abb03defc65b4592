/** Connections to a target as they go from one request to the next. */
import { afterAll, expect, test } from "vitest";
import { TargetSockets } from "#data-plane/upstream/target-sockets.ts";
import type { UpstreamConnection } from "#data-plane/upstream/upstream-connection.ts";
import { Turn } from "#data-plane/wire/turn.ts";
import { startTcp } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const server = await startTcp((socket) => {
  socket.on("data", () => socket.write("HTTP/1.1 204 No Content\r\n\r\n"));
});
const turn = new Turn(() => undefined);

afterAll(() => server[Symbol.asyncDispose]());

/** A request that notes what becomes of it. */
class Request {
  readonly method = "POST";
  readonly turn = turn;
  readonly seen: string[] = [];
  readonly #givesUp: boolean;
  #connection: UpstreamConnection | null = null;

  constructor(givesUp: boolean) {
    this.#givesUp = givesUp;
  }

  onConnection(connection: UpstreamConnection): void {
    this.#connection = connection;
    connection.begin(this, "POST / HTTP/1.1\r\nhost: test\r\n\r\n", "none");
  }

  onHead(): void {
    this.seen.push("head");
    if (this.#givesUp) this.#connection?.abort();
  }

  onEnd(): void {
    this.seen.push("end");
  }

  onBroken(why: string): void {
    this.seen.push(why);
  }

  onUnreachable(): void {
    this.seen.push("unreachable");
  }

  onInterim(): void {}
  onContent(): void {}
  onFull(): void {}
  onDrain(): void {}
}

test("a connection that is given up at the head of its answer does not go to the request that waits for one", async () => {
  const address = { kind: "tcp", host: "127.0.0.1", port: server.port, secure: false } as const;
  const sockets = new TargetSockets(address, { connectionsMax: 1, connectTimeoutMs: 5000, waitingMax: 1 });
  const first = new Request(true);
  const second = new Request(false);
  expect([sockets.take(first), sockets.take(second)]).toEqual(["found", "waits"]);
  await until("the second is over", () => second.seen.length > 1 || second.seen.includes("lost"));
  expect(second.seen).toEqual(["head", "end"]);
  expect(first.seen[0]).toBe("head");
  sockets.close();
});
