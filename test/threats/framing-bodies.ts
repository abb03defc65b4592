/** A20–A22, A24: what stands in a body, or behind it, and whether anybody takes it for another request. */
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import { conversation, GOODBYE } from "./conversation.ts";
import { get, keyOf, refused } from "./expectations.ts";
import type { Row } from "./runner.ts";
import { answer } from "./wire-app.ts";
import type { World } from "./world.ts";

/** Bytes of an unread body that are read past. */
const READ_PAST_BYTES_MAX = 64 * 1024;
const SPLIT_GAP_MS = 1;
/** Time in which a second request would be under way beside the first. */
const SLOW_ANSWER_MS = 50;

/** Whatever takes it for a request of its own, gets it let in and charged. */
const smuggled = (world: World) => get("/private/smuggled", keyOf(world));

interface Early {
  readonly status: number;
  readonly target: string;
  readonly headers: readonly string[];
}

/** Requests that get an answer of the gateway's own, before anybody has looked at their body. */
function early(world: World): readonly Early[] {
  return [
    { status: 401, target: "/private/x", headers: [] },
    { status: 403, target: "/boss", headers: [keyOf(world)] },
    { status: 404, target: "/nowhere", headers: [keyOf(world)] },
    { status: 429, target: "/once/x", headers: [keyOf(world)] },
  ];
}

function threeRequests(world: World): readonly string[] {
  const fixed = (id: number) => [
    `X-Request-Id: split-${id}`,
    "traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
    keyOf(world),
  ];
  return [
    `${requestHead("POST", "/private/1", [...fixed(1), "Content-Length: 5"])}hello`,
    `${requestHead("POST", "/private/2", [...fixed(2), "Transfer-Encoding: chunked"])}5;a=b\r\nhello\r\n3\r\nyou\r\n0\r\nX-T: 1\r\n\r\n`,
    requestHead("GET", "/private/3", [...fixed(3), "Connection: close"]),
  ];
}

/** What the app got of the requests behind the first `from`, byte for byte; a body without its chunks, which are cut as they come. */
function received({ upstream }: World, from: number): readonly string[] {
  return upstream.requests.slice(from).map(({ head, body }) => head + body.toString("latin1"));
}

/** How many requests of one client were under way at once, of several that it sent ahead. */
async function underWayAtOnce(world: World): Promise<number> {
  const { wire } = world;
  let underWay = 0;
  let most = 0;
  wire.script(({ socket, whole }) => {
    most = Math.max(most, ++underWay);
    void whole
      .then(() => sleep(SLOW_ANSWER_MS))
      .then(() => {
        underWay--;
        socket.write(answer(200, "ok"));
      });
  });
  const one = requestHead("POST", "/several/x", ["Content-Length: 5", keyOf(world)]);
  const sent = `${one}hello${one}hello${one}hello${GOODBYE}`;
  const seen = await rawExchange(world.gateway.port, sent, { idleMs: 5000 });
  expect(seen.responses.map(({ status }) => status)).toEqual([200, 200, 200, 200]);
  return most;
}

export const FRAMING_BODIES: readonly Row[] = [
  {
    id: "A20",
    class: "framing",
    name: "a request within a body is a body, whatever the method; it goes on with its length and is never answered",
    story: async (world) => {
      for (const method of ["GET", "HEAD", "DELETE", "OPTIONS", "POST"]) {
        const inner = smuggled(world);
        const length = `Content-Length: ${inner.length}`;
        const outer = requestHead(method, "/private/outer", [keyOf(world), length]) + inner;
        const seen = await conversation(world, outer + GOODBYE, { methods: [method] });
        expect.soft(seen, method).toEqual({
          statuses: [200, 200],
          targets: ["/private/outer", "/public/goodbye"],
          usage: 1,
          closed: true,
        });
        const got = world.upstream.requests.at(-2);
        expect.soft(got?.body.toString("latin1"), method).toBe(inner);
        expect.soft(got?.headers["content-length"], method).toBe(String(inner.length));
      }
    },
  },
  {
    id: "A21",
    class: "framing",
    name: "a refused request's body is read past up to 64 KiB, else the connection closes; what is in it is never a request",
    story: async (world) => {
      await rawExchange(world.gateway.port, get("/once/x", keyOf(world)), { responses: 1 });
      for (const { status, target, headers } of early(world)) {
        const inner = smuggled(world);
        const ask = (...more: readonly string[]) => requestHead("POST", target, [...headers, ...more]);
        const short = ask(`Content-Length: ${inner.length}`) + inner;
        expect
          .soft(await conversation(world, short + GOODBYE), `${status}, read past`)
          .toEqual({ statuses: [status, 200], targets: ["/public/goodbye"], usage: 0, closed: true });
        const filled = inner.padEnd(READ_PAST_BYTES_MAX, "x");
        expect
          .soft(
            await conversation(world, ask(`Content-Length: ${filled.length}`) + filled + GOODBYE),
            `${status}, 64 KiB`,
          )
          .toEqual({ statuses: [status, 200], targets: ["/public/goodbye"], usage: 0, closed: true });
        const closing = { statuses: [status], targets: [], usage: 0, closed: true };
        expect
          .soft(
            await conversation(world, `${ask(`Content-Length: ${filled.length + 1}`)}${filled}x${GOODBYE}`),
            `${status}, long`,
          )
          .toEqual(closing);
        const chunks = `${inner.length.toString(16)}\r\n${inner}\r\n0\r\n\r\n`;
        expect
          .soft(await conversation(world, ask("Transfer-Encoding: chunked") + chunks + GOODBYE), `${status}, chunked`)
          .toEqual(closing);
      }
    },
  },
  {
    id: "A22",
    class: "framing",
    name: "one `100 Continue` at most; a body that an early answer makes superfluous ends both connections; other expectations: 417",
    cases: (world) =>
      ["x 100-continue", "100-continue, x", "200-ok", "", "100-continue;q=1"].map((value) => ({
        what: value,
        send: requestHead("POST", "/private/x", [`Expect: ${value}`, "Content-Length: 0", keyOf(world)]),
        expect: refused(417, "header:expect", { close: true }),
      })),
    story: async (world) => {
      const { gateway, wire } = world;
      wire.script(({ method, socket, whole }) => {
        if (method === "PUT") socket.write(answer(413, "no"));
        else void whole.then(() => socket.write(answer(200, "ok")));
      });
      const ask = (method: string, ...headers: readonly string[]) =>
        requestHead(method, "/wire/x", ["Expect: 100-continue", keyOf(world), ...headers]);
      const statuses = async (pieces: readonly string[]) => {
        const seen = await rawExchange(gateway.port, pieces, { responses: 1, idleMs: 5000 });
        return { statuses: seen.responses.map(({ status }) => status), closed: seen.closed };
      };
      const whole = { statuses: [100, 200], closed: false };
      expect.soft(await statuses([ask("POST", "Content-Length: 5"), "hello"]), "body").toEqual(whole);
      expect.soft(await statuses([`${ask("POST", "Content-Length: 5")}hello`]), "hasty body").toEqual(whole);
      const chunks = [ask("POST", "Transfer-Encoding: chunked"), "5\r\nhello\r\n", "0\r\n\r\n"];
      expect.soft(await statuses(chunks), "chunks").toEqual(whole);
      expect.soft((await statuses([ask("GET")])).statuses.at(-1), "no body").toBe(200);
      expect
        .soft(
          wire.calls.map(({ head }) => /^expect:/im.test(head)),
          "not passed on",
        )
        .toEqual([false, false, false, false]);
      // Some of the body: undici sends no head before.
      const first = await rawExchange(gateway.port, [ask("PUT", "Content-Length: 5"), "he"], { idleMs: 5000 });
      expect(first.responses.map(({ status }) => status)).toEqual([100, 413]);
      expect(first.closed).toBe(true);
      await until("the app's connection is closed", () => wire.calls.at(-1)?.socket.destroyed);
    },
  },
  {
    id: "A24",
    class: "framing",
    name: "three requests are three, one after the other, however their bytes are cut, and the app gets the same bytes each time",
    timeoutMs: 120_000,
    story: async (world) => {
      const bytes = threeRequests(world).join("");
      const wanted = {
        statuses: [200, 200, 200],
        targets: ["/private/1", "/private/2", "/private/3"],
        usage: 3,
        closed: true,
      };
      const cuts = [
        [bytes],
        [...bytes],
        ...Array.from(bytes.slice(1), (_, at) => [bytes.slice(0, at + 1), bytes.slice(at + 1)]),
      ];
      let first: readonly string[] | null = null;
      for (const pieces of cuts) {
        const from = world.upstream.requests.length;
        const what = `${pieces.length} pieces, the first has ${pieces[0]?.length} bytes`;
        const seen = await conversation(world, pieces, { chunkGapMs: SPLIT_GAP_MS });
        first ??= received(world, from);
        expect({ what, ...seen, received: received(world, from) }).toEqual({ what, ...wanted, received: first });
      }
      expect(await underWayAtOnce(world)).toBe(1);
      const many = Array.from({ length: 100 }, (_, at) => get(`/private/${at}`, keyOf(world)));
      expect(await conversation(world, many.join("") + GOODBYE)).toEqual({
        statuses: Array.from({ length: 101 }, () => 200),
        targets: [...many.map((_, at) => `/private/${at}`), "/public/goodbye"],
        usage: 100,
        closed: true,
      });
      expect(first?.map((text) => text.endsWith("hello") || text.endsWith("helloyou"))).toEqual([true, true, false]);
    },
  },
];
