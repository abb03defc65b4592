/**
 * Open load, in a process of its own: `node open.ts JSON` takes a LoadRequest with a rate and prints a LoadCounts. Requests are due at
 * even times; each goes out when it is due, on a connection that is free, and its latency counts from when it was due: an answer that
 * is late, or a connection that is missing, delays nobody's clock (no coordinated omission).
 * Between looks at its sockets it sleeps for at most 50 µs: timers of node's are a millisecond coarse, and a loop without rest would take
 * the core from the app beside it.
 */
import { once } from "node:events";
import { connect, type Socket } from "node:net";
import { createHistogram } from "node:perf_hooks";
import type { LoadCounts, LoadRequest } from "./types.ts";

// The parent wrote it as a LoadRequest.
const { url, headers, connections, seconds, rate = 1 } = JSON.parse(process.argv[2] ?? "") as LoadRequest;
const { hostname, port, host, pathname } = new URL(url);
const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
const request = `GET ${pathname} HTTP/1.1\r\nHost: ${host}\r\n${lines.join("")}\r\n`;

const latencyMicros = createHistogram();
const free: Client[] = [];
const due: number[] = [];
let [ok, notOk, bytes] = [0, 0, 0];

class Client {
  readonly #socket: Socket;
  #dueMs = 0;
  /** Bytes of the answer still to come; -1: its head has not been read. */
  #left = -1;
  #head = "";

  constructor() {
    this.#socket = connect({ host: hostname, port: Number(port), noDelay: true });
    this.#socket.on("data", (chunk: Buffer) => this.#read(chunk));
    // Its request stays unanswered, and counts so.
    this.#socket.on("error", () => undefined);
  }

  async ready(): Promise<void> {
    await once(this.#socket, "connect");
  }

  send(dueMs: number): void {
    this.#dueMs = dueMs;
    this.#left = -1;
    this.#head = "";
    this.#socket.write(request, "latin1");
  }

  #read(chunk: Buffer): void {
    bytes += chunk.length;
    if (this.#left === -1) {
      this.#head += chunk.toString("latin1");
      const end = this.#head.indexOf("\r\n\r\n");
      if (end === -1) return;
      const length = Number(/\r\ncontent-length: *(\d+)/i.exec(this.#head)?.[1] ?? 0);
      this.#left = length - (this.#head.length - end - 4);
    } else this.#left -= chunk.length;
    if (this.#left > 0) return;
    if (this.#head.startsWith("HTTP/1.1 2")) ok++;
    else notOk++;
    latencyMicros.record(Math.max(1, Math.round((performance.now() - this.#dueMs) * 1000)));
    const next = due.shift();
    if (next === undefined) free.push(this);
    else this.send(next);
  }

  end(): void {
    this.#socket.destroy();
  }
}

const clients = Array.from({ length: connections }, () => new Client());
await Promise.all(clients.map((client) => client.ready()));
free.push(...clients);

const SLEEP_MS_MAX = 0.05;
const bed = new Int32Array(new SharedArrayBuffer(4));

const startMs = performance.now();
const everyMs = 1000 / rate;
const total = Math.floor(rate * seconds);
let sent = 0;
await new Promise<void>((resolve) => {
  const step = () => {
    const now = performance.now();
    for (; sent < total && startMs + sent * everyMs <= now; sent++) {
      const dueMs = startMs + sent * everyMs;
      const client = free.pop();
      if (client === undefined) due.push(dueMs);
      else client.send(dueMs);
    }
    const isOver = ok + notOk >= total || now > startMs + (seconds + 5) * 1000;
    if (isOver) return resolve();
    const untilMs = startMs + sent * everyMs - performance.now();
    if (untilMs > 0.01) Atomics.wait(bed, 0, 0, Math.min(SLEEP_MS_MAX, untilMs));
    setImmediate(step);
  };
  step();
});
const percentileMs = (percentile: number) => latencyMicros.percentile(percentile) / 1000;
const counts: LoadCounts = {
  ok,
  notOk,
  // What was due and never answered.
  errors: total - ok - notOk,
  seconds: (performance.now() - startMs) / 1000,
  bytes,
  latencyMs: { p50: percentileMs(50), p99: percentileMs(99), p999: percentileMs(99.9) },
};
for (const client of clients) client.end();
console.log(JSON.stringify(counts));
