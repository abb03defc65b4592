/** D05–D07, D10: apps that break off, say too much, say nothing, or are gone already. */
import { expect } from "vitest";
import { setTimeout as sleep } from "node:timers/promises";
import { connect } from "node:net";
import { requestHead } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import { ask, saying } from "./asked.ts";
import { MEMORY_GROWTH_BYTES_MAX, memoryBytes, sayForEver } from "./endless.ts";
import { keyOf } from "./expectations.ts";
import type { Row } from "./runner.ts";
import { answer, type WireHandler } from "./wire-app.ts";

/** `server.limits.requestTimeout` of these rows' worlds. */
export const REQUEST_TIMEOUT_MS = 2000;
const TOLERANCE_MS = 1000;
const CANCELLED_MS_MAX = 1000;

const UNREACHABLE = { status: 502, whole: true, usage: 0, rule: "upstream:wire" };
const HEAD = "HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n";
const CHUNKS = "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n";

/** Says so much, then resets or ends the connection. */
const sayAndLeave =
  (text: string, how: "reset" | "end"): WireHandler =>
  ({ socket }) => {
    const leave = () => void (how === "end" ? socket.end() : socket.resetAndDestroy());
    if (text === "") leave();
    else socket.write(text, "latin1", () => setTimeout(leave, 50));
  };

export const RESPONSE_ENDS: readonly Row[] = [
  {
    id: "D05",
    class: "response",
    name: "an app that breaks off before its head is whole is a 502 that costs nothing; later its answer is cut, and charged",
    timeoutMs: 60_000,
    story: async (world) => {
      for (const how of ["reset", "end"] as const) {
        for (const part of [
          "",
          "H",
          "HTTP/1.1 200",
          "HTTP/1.1 200 OK\r\nContent-Le",
          "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n",
        ]) {
          for (const method of ["GET", "POST"]) {
            const seen = await ask(world, sayAndLeave(part, how), {
              method,
              ...(method === "POST" ? { body: "hello" } : {}),
            });
            const what = `${method}, ${how} behind ${JSON.stringify(part)}`;
            expect.soft(seen, what).toMatchObject(UNREACHABLE);
            // Only what changes nothing is asked again, once; on the fast lane only when not an octet came back.
            const mayRepeat = method === "GET" && (part === "" || world.lane === "full");
            expect.soft(world.wire.calls.length, what).toBe(mayRepeat ? 2 : 1);
            expect
              .soft(new Set(world.wire.calls.map(({ connection }) => connection)).size, what)
              .toBe(world.wire.calls.length);
          }
        }
        for (const part of [
          HEAD,
          `${HEAD}half`,
          CHUNKS,
          `${CHUNKS}5\r\nhel`,
          `${CHUNKS}5\r\nhello\r\n`,
          `${CHUNKS}5\r\nhello\r\n0\r\n`,
        ]) {
          const seen = await ask(world, sayAndLeave(part, how));
          const what = `${how} behind ${JSON.stringify(part)}`;
          expect.soft(seen, what).toMatchObject({ whole: false, closed: true, usage: 1 });
          // A head waits for the first octet of its body on the full lane.
          expect.soft(seen.status, what).toBe(world.lane === "full" && part === HEAD ? null : 200);
          expect.soft(seen.answer.text, what).not.toContain("\r\n0\r\n");
          expect.soft(world.wire.calls.length, what).toBe(1);
        }
      }
    },
  },
  {
    id: "D06",
    class: "response",
    name: "a header section that is too large is a 502, and is not read to its end",
    timeoutMs: 60_000,
    story: async (world) => {
      const KIB = 1024;
      const heads: Readonly<Record<string, string>> = {
        "1 MiB": `X-A: ${"a".repeat(KIB)}\r\n`.repeat(KIB),
        "10,000 headers": "X-A: 1\r\n".repeat(10_000),
        "one of 512 KiB": `X-A: ${"a".repeat(512 * KIB)}\r\n`,
        "a name of 512 KiB": `X-${"a".repeat(512 * KIB)}: 1\r\n`,
        "1,000 headers": "X-A: 1\r\n".repeat(1000),
      };
      const before = await memoryBytes(world.gateway.pid);
      for (const [what, fields] of Object.entries(heads)) {
        const seen = await ask(world, saying(`HTTP/1.1 200 OK\r\n${fields}Content-Length: 2\r\n\r\nok`));
        expect.soft(seen, what).toMatchObject(UNREACHABLE);
        await until(`${what}: the app's connection ends`, () =>
          world.wire.calls.every(({ socket }) => socket.destroyed),
        );
      }
      for (const [start, text] of [
        ["HTTP/1.1 200 OK\r\n", "X-A: 1\r\n"],
        ["HTTP/1.1 200 OK\r\nX-A: ", "a"],
        // undici forgets a reason as it reads, but reads it to its end: there the deadline sets one.
        ...(world.lane === "auto" ? [["HTTP/1.1 200 ", "b"] as const] : []),
      ] as const) {
        const seen = await ask(world, ({ socket }) => {
          socket.write(start);
          sayForEver(socket, text);
        });
        expect.soft(seen, `without end: ${text}`).toMatchObject(UNREACHABLE);
        await until("the app's connection ends", () => world.wire.calls.every(({ socket }) => socket.destroyed));
      }
      expect((await memoryBytes(world.gateway.pid)) - before).toBeLessThan(MEMORY_GROWTH_BYTES_MAX);
    },
  },
  {
    id: "D07",
    class: "response",
    name: "an app that does not answer is a 504 at the deadline, also when it drips; a client that leaves ends its call within a second",
    timeoutMs: 60_000,
    story: async (world) => {
      const silent: Readonly<Record<string, WireHandler>> = {
        "says nothing": () => undefined,
        "drips a head": ({ socket }) => void drip(socket, `HTTP/1.1 200 OK\r\nX-Slow: ${"a".repeat(100)}`),
        "drips interim answers": ({ socket }) => void drip(socket, "HTTP/1.1 103 Early Hints\r\n\r\n".repeat(10)),
      };
      for (const [what, script] of Object.entries(silent)) {
        const asked = performance.now();
        const seen = await ask(world, script);
        const tookMs = performance.now() - asked;
        expect.soft(seen, what).toMatchObject({ status: 504, whole: true, usage: 0, rule: "upstream:wire" });
        expect.soft(Math.abs(tookMs - REQUEST_TIMEOUT_MS), what).toBeLessThan(TOLERANCE_MS);
        await until(`${what}: its call ends`, () => world.wire.calls.every(({ socket }) => socket.destroyed));
      }
      const dripped = await ask(world, ({ socket }) => {
        socket.write("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
        drip(socket, "slow");
      });
      expect(dripped).toMatchObject({ status: 200, whole: true, body: "slow", usage: 1 });
      for (const begin of ["", `${HEAD}half`]) {
        world.wire.script(({ socket }) => void (begin !== "" && socket.write(begin)));
        const client = connect(world.gateway.port, "127.0.0.1");
        client.write(requestHead("GET", "/wire/x", [keyOf(world)]));
        await until("the app has the request", () => world.wire.calls.length === 1);
        if (begin !== "") await new Promise((resolve) => client.once("data", resolve));
        const left = performance.now();
        client.destroy();
        await until("its call ends", () => world.wire.calls[0]?.socket.destroyed, CANCELLED_MS_MAX);
        expect(performance.now() - left).toBeLessThan(CANCELLED_MS_MAX);
      }
    },
  },
  {
    id: "D10",
    class: "response",
    name: "a POST whose connection was closed while it was written is never sent again: 502; a GET is, once, on a new connection",
    story: async (world) => {
      for (const method of ["POST", "PUT", "PATCH", "DELETE", "GET", "HEAD"]) {
        const withBody = method.startsWith("P") ? { body: "hello" } : {};
        const first = await ask(world, saying(answer(200, "first")), { keeps: true });
        expect(first.status).toBe(200);
        const stale = world.wire.calls[0]?.connection;
        const closing: WireHandler = ({ socket, connection }) => {
          if (connection === stale) socket.destroy();
          else socket.write(answer(200, method === "HEAD" ? "" : "again"));
        };
        const seen = await ask(world, closing, { method, ...withBody });
        const connections = world.wire.calls.map(({ connection }) => connection);
        expect.soft(connections[0], method).toBe(stale);
        if (method === "GET" || method === "HEAD") {
          expect.soft(seen, method).toMatchObject({ status: 200, usage: 1 });
          expect.soft(connections, method).toHaveLength(2);
        } else {
          expect.soft(seen, method).toMatchObject(UNREACHABLE);
          expect.soft(connections, method).toHaveLength(1);
        }
      }
    },
  },
];

/** One octet every 400 ms: more often than the deadline, and never to its end. */
async function drip(socket: Parameters<WireHandler>[0]["socket"], text: string): Promise<void> {
  for (const octet of text) {
    if (socket.destroyed) return;
    socket.write(octet);
    await sleep(400);
  }
}
