/**
 * A14–A19: chunks and what stands around them. A head has passed when its body turns out to be none, so the app may have begun to
 * hear of the request; what it never gets is a whole one.
 */
import { expect } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import { keyOf, passed, post } from "./expectations.ts";
import type { Case, Row } from "./runner.ts";
import type { Expectation } from "./seen.ts";
import type { World } from "./world.ts";
import { answer } from "./wire-app.ts";

const BROKEN: Expectation = { status: 400, close: true, forwarded: "never whole", usage: 0, reason: "http:syntax" };
const CUT: Expectation = { status: null, close: true, forwarded: "never whole", usage: 0 };
const CHUNKED = "Transfer-Encoding: chunked";

/** Bytes of chunk extensions: the fast lane's bound for a body; the full lane has node's own, for a chunk. */
const EXTENSION_BYTES_MAX = { auto: 4096, full: 16 * 1024 };

/** Each text is a body in chunks. */
function bodies(world: World, wanted: Expectation, texts: readonly (string | readonly [string, string])[]): Case[] {
  return texts.map((text) => {
    const [what, body] = typeof text === "string" ? [JSON.stringify(text), text] : text;
    return { what, send: post(body, CHUNKED, keyOf(world)), expect: wanted };
  });
}

const sized = (size: string) => `${size}\r\nhello\r\n0\r\n\r\n`;
const extended = (extension: string) => `5${extension}\r\nhello\r\n0\r\n\r\n`;

const NO_SIZES = [
  "0x5", "+5", "-1", "5_0", "5 ", " 5", "", "g", "5,", "5.", "\t5", "5\t", "fffffffffffffffff", "10000000000000000",
  "5 5", "\x005", "5\0",
]; // biome-ignore format: a list
/** More than JavaScript counts, but not more than C does; and zeros in front. */
const UNCOUNTABLE_SIZES = ["20000000000000", "ffffffffffffffff"];
const PADDED_SIZE = "00000000000000005";

const NO_TRAILERS = [
  " X-Folded: 1",
  "\tX-Folded: 1",
  "no colon",
  "X-A : 1",
  ": 1",
  "X-A: 1\r\n folded",
  "X-A: a\0b",
  "X-A: 1\rX-B: 2",
];
const FRAMING_TRAILERS = ["Content-Length: 5", "content-length: 0", CHUNKED, "X-A: 1\r\nTransfer-Encoding: identity"];
/** Names that a trailer must not bring in by the back door. */
const TRAILERS = {
  Host: "evil",
  Authorization: "Bearer evil",
  "X-Consumer-Id": "evil",
  "X-Tollgate-Account": "evil",
  "X-Sum": "1",
};

export const FRAMING_CHUNKS: readonly Row[] = [
  {
    id: "A14",
    class: "framing",
    name: "a chunk size is hexadecimal digits and no more than a number can hold (full lane: such a chunk never ends, and is cut off)",
    cases: (world) => [
      ...bodies(world, BROKEN, NO_SIZES.map(sized)),
      ...(world.lane === "auto"
        ? bodies(world, BROKEN, [...UNCOUNTABLE_SIZES, PADDED_SIZE].map(sized))
        : bodies(world, CUT, UNCOUNTABLE_SIZES.map(sized)).map((one) => ({ ...one, end: true as const }))),
      ...bodies(world, BROKEN, ["5\nhello\r\n0\r\n\r\n", "5\rhello\r\n0\r\n\r\n", "5\r\rhello\r\n0\r\n\r\n"]),
      ...bodies(world, passed(), [sized("5"), sized("0005"), "a\r\n0123456789\r\nA\r\n0123456789\r\n0\r\n\r\n"]),
    ],
  },
  {
    id: "A15",
    class: "framing",
    name: "chunk extensions are read past when they are some, and only so many (full lane: node's own bound, 16 KiB a chunk)",
    cases: (world) => [
      ...bodies(world, BROKEN, [
        extended(";a\n"),
        extended(";a=b\nhello\r\n0\r\n\r\nGET /private/y HTTP/1.1"),
        extended(";a=\x01"),
        extended(";a\0"),
        extended(';a="b\r\nc"'),
        extended(';a="b\nc"'),
        extended(";\x7f=1"),
        ["too many in one chunk", extended(`;a=${"b".repeat(EXTENSION_BYTES_MAX[world.lane])}`)],
      ]),
      ...bodies(
        world,
        BROKEN,
        world.lane === "auto" ? [["too many in all chunks", "1;abcdefghi\r\nx\r\n".repeat(410)]] : [],
      ),
      ...bodies(world, passed(), [
        extended(";a"),
        extended(";a=b;c=d"),
        extended(';a="b c"'),
        ["as many as may be", extended(`;a=${"b".repeat(4096 - 4)}`)],
      ]),
    ],
  },
  {
    id: "A16",
    class: "framing",
    name: "what stands behind a chunk's content is CRLF and nothing else",
    cases: (world) =>
      bodies(world, BROKEN, [
        "5\r\nhell\r\n0\r\n\r\n",
        "5\r\nhello!\r\n0\r\n\r\n",
        "5\r\nhello\n0\r\n\r\n",
        "5\r\nhello\nX0\r\n\r\n",
        "5\r\nhello\r0\r\n\r\n",
        "5\r\nhello0\r\n\r\n",
        "5\r\nhello\n\r0\r\n\r\n",
        "5\r\nhello  0\r\n\r\n",
      ]),
  },
  {
    id: "A17",
    class: "framing",
    name: "a chunked body that ends without its last chunk is no request: the app's call is broken off, its connection not used again",
    story: async (world) => {
      const { gateway, wire } = world;
      const before = await world.tally();
      wire.script(({ method, socket }) => void (method === "GET" && socket.write(answer(200, "ok"))));
      const head = requestHead("POST", "/wire/x", [CHUNKED, keyOf(world)]);
      const cut = await rawExchange(gateway.port, [head, "5\r\nhello\r\n"], { end: true, idleMs: 5000 });
      expect(cut.responses).toEqual([]);
      expect(cut.closed).toBe(true);
      await until("the app's connection is closed", () => wire.calls.every(({ socket }) => socket.destroyed));
      const next = await rawExchange(gateway.port, requestHead("GET", "/wire/y", [keyOf(world)]), { responses: 1 });
      expect(next.responses[0]?.status).toBe(200);
      const [first, second] = wire.calls.map(({ connection }) => connection);
      expect(second).not.toBe(first);
      expect(wire.calls[0]?.rest()).not.toContain("0\r\n\r\n");
      expect((await world.tally()).usage - before.usage).toBe(1);
    },
  },
  {
    id: "A18",
    class: "framing",
    name: "trailers of a request go no further, whatever their name; those that would frame it anew are refused with 400",
    cases: (world) => [
      ...Object.entries(TRAILERS).map(([name, value]) => ({
        what: name,
        send: post(`5\r\nhello\r\n0\r\n${name}: ${value}\r\n\r\n`, CHUNKED, `Trailer: ${name}`, keyOf(world)),
        expect: passed({
          upstream: {
            equals: { host: "test", "x-tollgate-account": "acme" },
            absent: ["authorization", "trailer", "x-consumer-id", "x-sum"],
          },
        }),
      })),
      ...bodies(
        world,
        BROKEN,
        FRAMING_TRAILERS.map((line) => `5\r\nhello\r\n0\r\n${line}\r\n\r\n`),
      ),
    ],
    story: async ({ upstream }) => {
      expect(upstream.requests.flatMap(({ rawTrailers }) => rawTrailers)).toEqual([]);
    },
  },
  {
    id: "A19",
    class: "framing",
    name: "a trailer section is held to the rules of a header section, and to a size",
    cases: (world) => [
      ...bodies(
        world,
        BROKEN,
        NO_TRAILERS.map((line) => `5\r\nhello\r\n0\r\n${line}\r\n\r\n`),
      ),
      ...bodies(world, BROKEN, [
        "5\r\nhello\r\n0\n\r\n",
        "5\r\nhello\r\n0\r\n\n",
        "5\r\nhello\r\n0\r\nX-A: 1\n\r\n",
        ["too large", `5\r\nhello\r\n0\r\nX-A: ${"a".repeat(16 * 1024)}\r\n\r\n`],
        ["too large together", `5\r\nhello\r\n0\r\n${`X-A: ${"a".repeat(1000)}\r\n`.repeat(17)}\r\n`],
      ]),
    ],
  },
];
