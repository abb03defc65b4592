/** When a draining lane closes a connection: not while a request is under way, nor just after an answer that promised to keep it. */
import type { ServerResponse } from "node:http";
import { PassThrough } from "node:stream";
import pino from "pino";
import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { RefusalLog } from "#data-plane/refusal-log.ts";
import { ClientRoom } from "#data-plane/wire/client-room.ts";
import { Connections } from "#data-plane/wire/full/connections.ts";
import { createMetrics, WorkerMetrics } from "#shared/metrics-table.ts";

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["setTimeout", "clearTimeout", "setImmediate", "clearImmediate"] });
});

afterEach(() => {
  vi.useRealTimers();
});

const room = () =>
  new ClientRoom(Infinity, new WorkerMetrics(createMetrics(), 0), new RefusalLog(pino({ level: "silent" })));

/** A connection, and an answer on it: all that `Connections` looks at. */
function opened(connections: Connections) {
  const socket = new PassThrough();
  connections.opened(socket);
  return { socket, answer: () => ({ req: { socket } }) as unknown as ServerResponse };
}

test("a connection that is idle when draining begins is closed soon", async () => {
  const connections = new Connections(room());
  const { socket } = opened(connections);
  connections.drain();
  await vi.advanceTimersByTimeAsync(250);
  expect(socket.destroyed).toBe(false);
  await vi.advanceTimersByTimeAsync(100);
  expect(socket.destroyed).toBe(true);
});

test("a connection whose answer ends just before the first look lives on for its client's next request", async () => {
  const connections = new Connections(room());
  const { socket, answer } = opened(connections);
  const first = answer();
  connections.began(first, () => undefined);
  connections.drain();
  await vi.advanceTimersByTimeAsync(295);
  connections.ended(first);
  await vi.advanceTimersByTimeAsync(300);
  expect(socket.destroyed).toBe(false);
  const second = answer();
  connections.began(second, () => undefined);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(socket.destroyed).toBe(false);
  connections.ended(second);
  await vi.advanceTimersByTimeAsync(1100);
  expect(socket.destroyed).toBe(true);
});

test("a connection that idled at first and was used after is not closed by the first look", async () => {
  const connections = new Connections(room());
  const { socket, answer } = opened(connections);
  connections.drain();
  await vi.advanceTimersByTimeAsync(200);
  const only = answer();
  connections.began(only, () => undefined);
  connections.ended(only);
  await vi.advanceTimersByTimeAsync(500);
  expect(socket.destroyed).toBe(false);
  await vi.advanceTimersByTimeAsync(600);
  expect(socket.destroyed).toBe(true);
});

test("a connection that was accepted while draining, and says nothing, is closed too", async () => {
  const connections = new Connections(room());
  connections.drain();
  const { socket } = opened(connections);
  await vi.advanceTimersByTimeAsync(350);
  expect(socket.destroyed).toBe(true);
});

test("a connection that was handed over is left alone", async () => {
  const connections = new Connections(room());
  const { socket } = opened(connections);
  connections.drain();
  connections.handOver(socket, () => undefined);
  await vi.advanceTimersByTimeAsync(60_000);
  expect(socket.destroyed).toBe(false);
});
