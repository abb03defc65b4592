/**
 * What the fast lane itself costs: a request in, an answer out, with everything real but the sockets, on one thread.
 * `node bench/micro/fast-lane.ts [rounds]` prints microseconds for each request. Pin it: `taskset -c 1`.
 */
import { EventEmitter } from "node:events";
import type { Socket } from "node:net";
import { setImmediate as turnOfLoop } from "node:timers/promises";
import type { ConnectionSeeker, TargetSockets } from "#data-plane/upstream/target-sockets.ts";
import { UpstreamConnection } from "#data-plane/upstream/upstream-connection.ts";
import { FastLane } from "#data-plane/wire/fast/fast-lane.ts";
import { Turn } from "#data-plane/wire/turn.ts";
import { BenchSite, cpuMicros } from "./site.ts";

const CONNECTIONS = 64;

const FILE = `
version: 1
roles: { Developer: ["models:*"] }
rates:
  second: { limit: 1000000, per: 1s, by: account }
  minute: { limit: 60000000, per: 1m, by: key }
  hour: { limit: 1000000000, per: 1h, by: [account, route] }
meters: { api_calls: {} }
plans: { free: { default: true, quotas: { api_calls: [{ limit: 100000000000, per: day }, { limit: 1000000000000, per: month }] } } }
upstreams: { app: { targets: ["http://127.0.0.1:9"] } }
routes:
  - { name: bare, match: { path: "/bare/{id}" }, upstream: app, auth: none }
  - { name: models, match: { path: "/models/{id}" }, upstream: app, require: { permissions: ["models:invoke"] }, rates: [second, minute, hour], meters: { api_calls: 1 } }
`;

const BODY = '{"ok":true,"id":"0123456789","usage":{"total_tokens":12}}';
const ANSWER = Buffer.from(
  `HTTP/1.1 200 OK\r\nServer: bench\r\nDate: Sat, 28 Nov 2026 12:00:00 GMT\r\nContent-Type: application/json\r\nContent-Length: ${BODY.length}\r\nConnection: keep-alive\r\n\r\n${BODY}`,
);

/** Where text becomes bytes, as on the way to the kernel: text of many pieces costs there what it did not cost when it was put together. */
const SINK = Buffer.alloc(64 * 1024);

/** What a lane asks of a socket; bytes that are written are counted. */
class SilentSocket extends EventEmitter {
  readonly remoteAddress = "127.0.0.1";
  readonly destroyed = false;
  readonly writableLength = 0;
  readonly writableNeedDrain = false;
  bytes = 0;

  write(part: string | Buffer): boolean {
    this.bytes += typeof part === "string" ? SINK.write(part, "latin1") : part.length;
    return true;
  }

  resume(): this {
    return this;
  }
}

export interface LaneCase {
  readonly path: "bare" | "models";
  /** Every request has fields of its own, so that none can be read again. */
  readonly varied: boolean;
}

export async function measureFastLane(rounds: number, { path, varied }: LaneCase): Promise<number> {
  using site = new BenchSite(FILE, ["Developer"]);
  const turn = new Turn(() => site.settler.flush());
  const door = { takeOver: () => undefined };
  const parts = { ...site, turn, meterFault: () => undefined };
  const { limits } = site.runtime.settings.server;
  const lane = new FastLane(parts, door, limits, () => undefined);
  const upstreams: UpstreamConnection[] = [];
  const idle: UpstreamConnection[] = [];
  const owner = { onIdle: (one: UpstreamConnection) => void idle.push(one), onClosed: () => undefined };
  const take = (seeker: ConnectionSeeker) => {
    // All that a connection asks of its socket.
    const made = () => new UpstreamConnection(new SilentSocket() as unknown as Socket, turn, owner);
    const connection = idle.pop() ?? made();
    upstreams.push(connection);
    seeker.onConnection(connection);
    return "found";
  };
  const route = site.runtime.routes.find("a.test", "GET", [path, "x"]);
  if (route.kind !== "route") throw new Error("No route");
  const target = route.route.upstream.pick();
  Object.assign(target, { sockets: { take, forget: () => undefined } as unknown as TargetSockets });
  const clients = Array.from({ length: CONNECTIONS }, () => new SilentSocket());
  for (const client of clients) lane.take(client as unknown as Socket);
  const request = (id: string) =>
    Buffer.from(
      `GET /${path}/abc HTTP/1.1\r\nHost: a.test\r\nAuthorization: Bearer ${site.key}\r\nAccept: application/json\r\nUser-Agent: bench/1.0 (linux)\r\nX-Trace: ${id}\r\n\r\n`,
    );
  const same = request("0");
  let count = 0;
  try {
    return await cpuMicros(rounds, async (wanted) => {
      for (let done = 0; done < wanted; done += CONNECTIONS) {
        for (const client of clients) client.emit("data", varied ? request(String(count++)) : same);
        await turnOfLoop();
        while (upstreams.length < CONNECTIONS) await turnOfLoop();
        for (const upstream of upstreams.splice(0)) upstream.take(ANSWER, ANSWER.length);
        await turnOfLoop();
      }
    });
  } finally {
    lane.stop();
  }
}

if (process.argv[1] === import.meta.filename) {
  const rounds = Number(process.argv[2] ?? 500_000);
  for (const path of ["bare", "models"] as const) {
    for (const varied of [false, true]) {
      const micros = (await measureFastLane(rounds, { path, varied })).toFixed(2);
      process.stdout.write(`fast lane, ${path}, ${varied ? "fields that change" : "equal fields"}: ${micros} µs\n`);
    }
  }
}
