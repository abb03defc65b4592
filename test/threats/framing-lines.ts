/** A08–A13, A23, A25: lines that two readers could cut differently. */
import { expect } from "vitest";
import { conversation } from "./conversation.ts";
import { get, getPrivate, keyOf, malformed, orSyntax, passed, refused } from "./expectations.ts";
import type { Case, Row } from "./runner.ts";
import type { World } from "./world.ts";

const SYNTAX = malformed("http:syntax");

const CONTROLS = [...range(0x00, 0x08), 0x0b, 0x0c, ...range(0x0e, 0x1f), 0x7f];
const NO_NAMES = ["[", "]", "(", ")", ";", "<", ">", "@", "/", "\\", " ", "{", "}", '"', ",", "=", "?"];

function range(first: number, last: number): readonly number[] {
  return Array.from({ length: last - first + 1 }, (_, index) => first + index);
}

/** A name or value as a report shows it: the bytes beyond ASCII too. */
function shown(text: string): string {
  return JSON.stringify(text).replaceAll(/[^\x20-\x7e]/g, (octet) => `\\x${octet.charCodeAt(0).toString(16)}`);
}

function withLines(lines: readonly string[], key: string): Case[] {
  return lines.map((line) => ({ what: shown(line), send: getPrivate(line, key), expect: SYNTAX }));
}

export const FRAMING_LINES: readonly Row[] = [
  {
    id: "A08",
    class: "framing",
    name: "a line that goes on in the next one is refused, the first header line too",
    cases: (world) => [
      ...withLines(["X-Folded: a\r\n b", "X-Folded: a\r\n\tb", "X-Folded:\r\n b", "X-Folded: a\r\n "], keyOf(world)),
      ...[" X-First: 1", "\tX-First: 1", " ", " Content-Length: 5"].map((line) => ({
        what: `first: ${shown(line)}`,
        send: `GET /private/x HTTP/1.1\r\n${line}\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        expect: SYNTAX,
      })),
      {
        what: "a length that is folded away",
        send: getPrivate("Content-Length:\r\n 5", keyOf(world)),
        expect: SYNTAX,
      },
    ],
  },
  {
    id: "A09",
    class: "framing",
    name: "space between a field's name and its colon is refused",
    cases: (world) =>
      ["X-Name", "Content-Length", "Transfer-Encoding", "Host"].flatMap((name) =>
        withLines(
          [" ", "\t", "\v", "\x85", "\xa0", "  "].map((space) => `${name}${space}: 0`),
          keyOf(world),
        ),
      ),
  },
  {
    id: "A10",
    class: "framing",
    name: "a line that ends with LF alone is refused: request line, header, empty line (those of bodies: A14, A16, A19)",
    cases: (world) => {
      const key = keyOf(world);
      return [
        { what: "request line", send: `GET /private/x HTTP/1.1\nHost: test\r\n${key}\r\n\r\n` },
        { what: "header", send: `GET /private/x HTTP/1.1\r\nHost: test\nX-A: 1\r\n${key}\r\n\r\n` },
        { what: "last header", send: `GET /private/x HTTP/1.1\r\nHost: test\r\n${key}\n\r\n` },
        { what: "empty line", send: `GET /private/x HTTP/1.1\r\nHost: test\r\n${key}\r\n\n` },
        { what: "all of them", send: `GET /private/x HTTP/1.1\nHost: test\n${key}\n\n` },
        { what: "a request hidden behind it", send: getPrivate(key, "X-A: 1\n\nGET /private/y HTTP/1.1\nHost: test") },
      ].map((one) => ({ ...one, expect: SYNTAX }));
    },
  },
  {
    id: "A11",
    class: "framing",
    name: "a CR that ends no line is refused",
    cases: (world) => {
      const key = keyOf(world);
      return [
        { what: "in the target", send: get("/private/\rx", key) },
        { what: "behind the version", send: `GET /private/x HTTP/1.1\r\r\nHost: test\r\n${key}\r\n\r\n` },
        { what: "instead of the line end", send: `GET /private/x HTTP/1.1\rHost: test\r\n${key}\r\n\r\n` },
        { what: "in a value", send: getPrivate("X-A: a\rb", key) },
        { what: "at the end of a value", send: getPrivate("X-A: a\r", key) },
        { what: "a line hidden behind it", send: getPrivate("X-A: a\rX-Hidden: 1", key) },
        { what: "at the beginning of a line", send: getPrivate("\rX-A: a", key) },
        { what: "before the empty line", send: `GET /private/x HTTP/1.1\r\nHost: test\r\n${key}\r\n\rX: y\r\n\r\n` },
      ].map((one) => ({ ...one, expect: SYNTAX }));
    },
  },
  {
    id: "A12",
    class: "framing",
    name: "a control character in a value is refused, each of them; HTAB and what is beyond ASCII pass as they are",
    cases: (world) => [
      ...CONTROLS.map((octet) => ({
        what: octet.toString(16),
        send: getPrivate(`X-Value: a${String.fromCharCode(octet)}b`, keyOf(world)),
        expect: malformed(orSyntax("header:control-character")),
      })),
      {
        what: "allowed ones",
        send: getPrivate("X-Value: a\tb\x80\xff", keyOf(world)),
        expect: passed({ upstream: { equals: { "x-value": "a\tb\x80\xff" } } }),
      },
    ],
  },
  {
    id: "A13",
    class: "framing",
    name: "a name that is no token is refused, an empty one too",
    cases: (world) =>
      withLines(
        [
          ...NO_NAMES.map((character) => `X${character}Name: 1`),
          ...range(0x80, 0xff).map((octet) => `X${String.fromCharCode(octet)}Name: 1`),
          ": x",
          " : x",
          "no colon at all",
          "\x7fX-Name: 1",
          "X-Na\0me: 1",
        ],
        keyOf(world),
      ),
  },
  {
    id: "A23",
    class: "framing",
    name: "garbage behind a good request gets its 400 after the good answer, and only the good one is charged",
    story: async (world) => {
      for (const garbage of [
        "GARBAGE\r\n\r\n",
        "\0\0\0\0",
        "GET / HTTP/1.1\r\nHost : test\r\n\r\n",
        "\x16\x03\x01\x02",
      ]) {
        const seen = await conversation(world, getPrivate(keyOf(world)) + garbage);
        expect
          .soft(seen, shown(garbage))
          .toEqual({ statuses: [200, 400], targets: ["/private/x"], usage: 1, closed: true });
      }
    },
  },
  {
    id: "A25",
    class: "framing",
    name: "versions that are not 1.0 or 1.1 are refused, and the preface of HTTP/2 (full lane: when the head is whole)",
    cases: (world) =>
      [
        ...(world.lane === "auto" ? ["GET /private/x\r\n", twoSpaces(world)] : []),
        "GET /private/x\r\n\r\n",
        `GET /private/x HTTP/0.9\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        `GET /private/x HTTP/1.2\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        `GET /private/x HTTP/2.0\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        `GET /private/x HTTP/01.1\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        `GET /private/x HTTP/1.1.1\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        `GET /private/x HTTP/1,1\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        `GET /private/x http/1.1\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        `GET /private/x HTTP/1.1 \r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        `GET /private/x ICE/1.1\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`,
        "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0",
      ].map((send) => ({ what: shown(send.slice(0, 30)), send, expect: refused(400, "http:syntax", { close: true }) })),
  },
];

function twoSpaces(world: World): string {
  return `GET /private/x  HTTP/1.1\r\nHost: test\r\n${keyOf(world)}\r\n\r\n`;
}
