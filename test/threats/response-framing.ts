/** D01–D04: answers that are none, or more than one. */
import { expect } from "vitest";
import { MEMORY_GROWTH_BYTES_MAX, memoryBytes, sayForEver, sayInTurns } from "./endless.ts";
import { rawExchange } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import { ask, saying } from "./asked.ts";
import type { Row } from "./runner.ts";
import { answer } from "./wire-app.ts";
import type { World } from "./world.ts";
import { get, keyOf } from "./expectations.ts";

const INTERIM_MAX = 16;
const HINT = "HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n";

const REFUSED = { status: 502, whole: true, usage: 0, rule: "upstream:wire" };

const lines = (...all: readonly string[]) => `HTTP/1.1 200 OK\r\n${all.join("\r\n")}\r\n\r\nhello`;
const CHUNKED = "Transfer-Encoding: chunked";

/** No client may see a head like these. */
const NO_HEADS: Readonly<Record<string, string>> = {
  "a length and chunks": `HTTP/1.1 200 OK\r\nContent-Length: 5\r\n${CHUNKED}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  "chunks and a length": `HTTP/1.1 200 OK\r\n${CHUNKED}\r\nContent-Length: 5\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  "two lengths": lines("Content-Length: 5", "Content-Length: 6"),
  "the same length twice": lines("Content-Length: 5", "Content-Length: 5"),
  "two lengths in a list": lines("Content-Length: 5, 5"),
  "a signed length": lines("Content-Length: +5"),
  "a negative length": lines("Content-Length: -5"),
  "a length in hexadecimal": lines("Content-Length: 0x5"),
  "an empty length": lines("Content-Length:"),
  "a length beyond counting": lines("Content-Length: 99999999999999999999"),
  "a coding that is not chunked": `HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nhello`,
  "another coding before it": `HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  "another coding behind it": `HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  "chunked twice": `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n${CHUNKED}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  "LF behind the status line": "HTTP/1.1 200 OK\nContent-Length: 5\r\n\r\nhello",
  "LF behind a field": "HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 5\r\n\r\nhello",
  "LF instead of the empty line": "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\nhello",
  "a folded line": lines("X-A: 1\r\n folded", "Content-Length: 5"),
  "a folded length": lines("Content-Length:\r\n 5"),
  "a space before a colon": lines("Content-Length : 5"),
  "a name that is no token": lines("X(A): 1", "Content-Length: 5"),
  "NUL in a value": lines("X-A: a\0b", "Content-Length: 5"),
  "a bare CR in a value": lines("X-A: a\rb", "Content-Length: 5"),
  "no colon": lines("X-A", "Content-Length: 5"),
  "no HTTP": "hello\r\n\r\n",
  "HTTP/2": "HTTP/2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "HTTP/1.2": "HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello",
  "a status of four digits": "HTTP/1.1 2000 OK\r\nContent-Length: 5\r\n\r\nhello",
  "a status of two digits": "HTTP/1.1 99 OK\r\nContent-Length: 5\r\n\r\nhello",
  "no status": "HTTP/1.1 OK\r\nContent-Length: 5\r\n\r\nhello",
};

/** undici reads them as of HTTP/1.1, and does not say that they were none: on the full lane the client gets the plain message. */
const OLD_HEADS: Readonly<Record<string, string>> = {
  "chunks of HTTP/1.0": `HTTP/1.0 200 OK\r\n${CHUNKED}\r\n\r\n5\r\nhello\r\n0\r\n\r\n`,
  "HTTP/0.9": "HTTP/0.9 200 OK\r\nContent-Length: 5\r\n\r\nhello",
};

/** The head is good and may have gone out; the body is none. */
const NO_BODIES: Readonly<Record<string, string>> = {
  "a size that is no number": "zz\r\nhello\r\n0\r\n\r\n",
  "a signed size": "+5\r\nhello\r\n0\r\n\r\n",
  "a size with a space": "5 \r\nhello\r\n0\r\n\r\n",
  "a size beyond counting": "fffffffffffffffff\r\nhello\r\n0\r\n\r\n",
  "LF behind a size": "5\nhello\r\n0\r\n\r\n",
  "LF behind a chunk": "5\r\nhello\n0\r\n\r\n",
  "nothing behind a chunk": "5\r\nhello0\r\n\r\n",
  "a chunk that is too long": "5\r\nhello!\r\n0\r\n\r\n",
  "LF in an extension": "5;a=b\nc\r\nhello\r\n0\r\n\r\n",
  "a folded trailer": "5\r\nhello\r\n0\r\nX-A: 1\r\n folded\r\n\r\n",
  "a trailer without a colon": "5\r\nhello\r\n0\r\nX-A\r\n\r\n",
};

const POISON = answer(200, "poison");

/**
 * What a client gets who waits for the connection on which these bytes are the answer to somebody else. In one write: what an app says
 * behind an answer when the next request is on its way already, nobody can tell from the answer to that one.
 */
async function nextInLine(world: World, bytes: string): Promise<string | undefined> {
  const { gateway, wire } = world;
  wire.script(({ socket, head }) => void (head.includes("/wire/second") && socket.write(answer(200, "second"))));
  const asked = (target: string) =>
    rawExchange(gateway.port, get(target, keyOf(world)), { responses: 1, idleMs: 5000 });
  const first = asked("/wire/first");
  await until("the app has the first", () => wire.calls.length === 1);
  const second = asked("/wire/second");
  // Behind the second in the gateway's one worker, so when it is answered the second waits.
  await asked("/private/x");
  wire.calls[0]?.socket.write(bytes);
  await first;
  return (await second).responses[0]?.body.toString("latin1");
}

export const RESPONSE_FRAMING: readonly Row[] = [
  {
    id: "D01",
    class: "response",
    name: "an answer that two readers could cut differently is a 502; where its head is out already it is cut off. The app's connection ends",
    timeoutMs: 60_000,
    story: async (world) => {
      for (const [what, bytes] of Object.entries(NO_HEADS)) {
        const seen = await ask(world, saying(bytes));
        expect.soft(seen, what).toMatchObject(REFUSED);
        expect.soft(seen.answer.responses, what).toHaveLength(1);
        await until(`${what}: the app's connection ends`, () =>
          world.wire.calls.every(({ socket }) => socket.destroyed),
        );
      }
      for (const [what, bytes] of Object.entries(OLD_HEADS)) {
        const seen = await ask(world, saying(bytes));
        const wanted = world.lane === "auto" ? REFUSED : { status: 200, whole: true, body: "hello", usage: 1 };
        expect.soft(seen, what).toMatchObject(wanted);
        expect.soft(seen.answer.responses, what).toHaveLength(1);
      }
      for (const [what, body] of Object.entries(NO_BODIES)) {
        const seen = await ask(world, saying(`HTTP/1.1 200 OK\r\n${CHUNKED}\r\n\r\n${body}`));
        expect.soft([seen.closed, seen.whole && seen.status !== 502], what).toEqual([true, false]);
        await until(`${what}: the app's connection ends`, () =>
          world.wire.calls.every(({ socket }) => socket.destroyed),
        );
      }
    },
  },
  {
    id: "D02",
    class: "response",
    name: "what comes behind an answer is nobody's: the connection ends, and the next client gets its own answer",
    story: async (world) => {
      const surplus: Readonly<Record<string, readonly string[]>> = {
        "an answer at once": [answer(200, "first") + POISON],
        "an answer a little later": [answer(200, "first"), POISON],
        garbage: [`${answer(200, "first")}garbage`],
        "one line end": [`${answer(200, "first")}\r\n`],
        "an answer behind chunks": [`HTTP/1.1 200 OK\r\n${CHUNKED}\r\n\r\n5\r\nfirst\r\n0\r\n\r\n${POISON}`],
        "an interim answer": [answer(200, "first") + HINT],
      };
      for (const [what, pieces] of Object.entries(surplus)) {
        const first = await ask(world, ({ socket }) => void sayInTurns(socket, pieces), { keeps: true });
        expect.soft(first, what).toMatchObject({ status: 200, body: "first", usage: 1 });
        await until(`${what}: the app's connection ends`, () => world.wire.calls[0]?.socket.destroyed);
        const second = await ask(world, saying(answer(200, "second")));
        expect.soft(second, what).toMatchObject({ status: 200, body: "second", usage: 1 });
        expect.soft(second.answer.responses, what).toHaveLength(1);
        expect.soft(await nextInLine(world, pieces.join("")), what).toBe("second");
      }
    },
  },
  {
    id: "D03",
    class: "response",
    name: "the answer to HEAD, a 204 and a 304 have no body: bytes behind them end the app's connection and reach nobody",
    story: async (world) => {
      const bodiless: readonly (readonly [string, string])[] = [
        ["HEAD", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\npoison"],
        ["HEAD", `HTTP/1.1 200 OK\r\n${CHUNKED}\r\n\r\n6\r\npoison\r\n0\r\n\r\n`],
        ["HEAD", "HTTP/1.1 200 OK\r\n\r\npoison"],
        ["GET", "HTTP/1.1 204 No Content\r\n\r\npoison"],
        ["GET", "HTTP/1.1 204 No Content\r\nContent-Length: 6\r\n\r\npoison"],
        ["GET", "HTTP/1.1 304 Not Modified\r\nContent-Length: 6\r\n\r\npoison"],
        ["GET", `HTTP/1.1 304 Not Modified\r\n\r\n${POISON}`],
      ];
      for (const [method, bytes] of bodiless) {
        const what = JSON.stringify([method, bytes]);
        const seen = await ask(world, saying(bytes), { method });
        expect.soft(seen.answer.text, what).not.toContain("poison");
        expect.soft(seen.answer.responses, what).toHaveLength(1);
        expect.soft([200, 204, 304, 502], what).toContain(seen.status);
        await until(`${what}: the app's connection ends`, () => world.wire.calls[0]?.socket.destroyed);
      }
    },
  },
  {
    id: "D04",
    class: "response",
    name: "sixteen interim answers pass and no more; a 100 is not passed on (full lane: 502, by undici); a 101 that nobody asked for is a 502",
    story: async (world) => {
      const statuses = (seen: Awaited<ReturnType<typeof ask>>) => seen.answer.responses.map(({ status }) => status);
      const some = await ask(world, saying(HINT.repeat(INTERIM_MAX) + answer(200, "ok")));
      expect(statuses(some)).toEqual([...Array.from({ length: INTERIM_MAX }, () => 103), 200]);
      const before = await memoryBytes(world.gateway.pid);
      for (const count of [INTERIM_MAX + 1, 10_000]) {
        const seen = await ask(world, saying(HINT.repeat(count) + answer(200, "ok")));
        expect(seen).toMatchObject({ status: 502, whole: true, usage: 0, rule: "upstream:interim" });
        expect(statuses(seen).filter((status) => status === 103).length).toBeLessThanOrEqual(INTERIM_MAX);
        await until("the app's connection ends", () => world.wire.calls.at(-1)?.socket.destroyed);
      }
      const endless = await ask(world, ({ socket }) => void sayForEver(socket, HINT));
      expect(endless).toMatchObject({ status: 502, whole: true, usage: 0, rule: "upstream:interim" });
      expect((await memoryBytes(world.gateway.pid)) - before).toBeLessThan(MEMORY_GROWTH_BYTES_MAX);
      const unasked = await ask(world, saying(`HTTP/1.1 100 Continue\r\n\r\n${answer(200, "ok")}`));
      expect(statuses(unasked)).toEqual([world.lane === "auto" ? 200 : 502]);
      const switching = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: foo\r\n\r\n";
      for (const headers of [[], ["Connection: close, upgrade", "Upgrade: foo"]]) {
        const seen = await ask(world, saying(switching + POISON), { headers });
        expect(seen).toMatchObject(REFUSED);
        expect(statuses(seen)).toEqual([502]);
        await until("the app's connection ends", () => world.wire.calls.at(-1)?.socket.destroyed);
      }
      const next = await rawExchange(world.gateway.port, get("/private/x", keyOf(world)), { responses: 1 });
      expect(next.responses[0]?.status).toBe(200);
    },
  },
];
