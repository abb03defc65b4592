/** A01–A07, A26: where a body ends, said twice or said oddly. Whoever is let through here may end it elsewhere than the app does. */
import { keyOf, malformed, orSyntax, passed, post } from "./expectations.ts";
import type { Case, Row } from "./runner.ts";

const BOTH = malformed(orSyntax("framing:both"));
const CODING = malformed(orSyntax("framing:coding"));
const LENGTH = malformed(orSyntax("framing:length"));
const TWICE = malformed(orSyntax("header:duplicate"));
const TWIN = malformed(orSyntax("header:underscore"));

const CHUNKED = "Transfer-Encoding: chunked";
const CHUNKS = "5\r\nhello\r\n0\r\n\r\n";

/** Each list of header lines is a case of its own. */
function framed(wanted: Case["expect"], body: string, key: string, lists: readonly (readonly string[])[]): Case[] {
  return lists.map((lines) => ({ what: JSON.stringify(lines), send: post(body, ...lines, key), expect: wanted }));
}

const NO_LENGTHS = [
  "", " ", "+5", "-5", "5.0", "5e0", "0x5", "0 5", "5;", "5,", ",5", "5 5", "1_0", "05", "five", "\"5\"",
  "99999999999999999999", "9007199254740993", "18446744073709551621",
]; // biome-ignore format: a list

const NO_CODINGS = [
  "identity, chunked", "identity", ",chunked", "chunked,", "chunked, ", "chunked, identity", '"chunked"', "'chunked'", "xchunked",
  "chunkedx", "chunked;q=1", "chunked ;", "gzip, chunked", "chun ked", "", "chunked, chunked", "x chunked",
]; // biome-ignore format: a list

export const FRAMING_LENGTHS: readonly Row[] = [
  {
    id: "A01",
    class: "framing",
    name: "a length and a transfer coding together are refused, in any order and any case",
    cases: (world) =>
      framed(BOTH, CHUNKS, keyOf(world), [
        ["Content-Length: 15", CHUNKED],
        [CHUNKED, "Content-Length: 15"],
        ["content-length: 15", "TRANSFER-ENCODING: CHUNKED"],
        ["tRaNsFeR-eNcOdInG: Chunked", "X-Between: 1", "cOnTeNt-LeNgTh: 0"],
        ["Content-Length: 0", CHUNKED],
        ["Content-Length: 15", "Transfer-Encoding: identity"],
      ]),
  },
  {
    id: "A02",
    class: "framing",
    name: "two lengths that differ are refused",
    cases: (world) =>
      framed(malformed(orSyntax("header:duplicate|framing:length")), "hello", keyOf(world), [
        ["Content-Length: 5", "Content-Length: 0"],
        ["Content-Length: 0", "Content-Length: 5"],
        ["Content-Length: 5", "X-Between: 1", "content-length: 6"],
        ["Content-Length: 5, 6"],
      ]),
  },
  {
    id: "A03",
    class: "framing",
    name: "two lengths that are the same are refused too, on two lines or in one",
    cases: (world) => [
      ...framed(TWICE, "hello", keyOf(world), [
        ["Content-Length: 5", "Content-Length: 5"],
        ["Content-Length: 5", "content-length: 5"],
      ]),
      ...framed(LENGTH, "hello", keyOf(world), [["Content-Length: 5, 5"], ["Content-Length: 5,5"]]),
    ],
  },
  {
    id: "A04",
    class: "framing",
    name: "a length is plain digits; the space around a value is none of it (RFC 9110 §5.5), so `5 ` is 5 and goes on as `5`",
    cases: (world) => [
      ...framed(
        LENGTH,
        "hello",
        keyOf(world),
        NO_LENGTHS.map((length) => [`Content-Length: ${length}`]),
      ),
      {
        what: "space behind it",
        send: post("hello", "Content-Length: 5 \t", keyOf(world)),
        expect: passed({ upstream: { equals: { "content-length": "5" } } }),
      },
    ],
  },
  {
    id: "A05",
    class: "framing",
    name: "a transfer coding that is not exactly `chunked` is refused",
    cases: (world) => [
      ...framed(
        CODING,
        CHUNKS,
        keyOf(world),
        NO_CODINGS.map((coding) => [`Transfer-Encoding: ${coding}`]),
      ),
      ...framed(TWICE, CHUNKS, keyOf(world), [
        ["Transfer-Encoding: junk", CHUNKED],
        [CHUNKED, "Transfer-Encoding: identity"],
      ]),
      {
        what: "while `Chunked` is one, in any case",
        send: post(CHUNKS, "Transfer-Encoding: Chunked", keyOf(world)),
        expect: passed({ upstream: { equals: { "transfer-encoding": "chunked" }, absent: ["content-length"] } }),
      },
    ],
  },
  {
    id: "A06",
    class: "framing",
    name: "`chunked` on two lines is refused",
    cases: (world) =>
      framed(TWICE, CHUNKS, keyOf(world), [
        [CHUNKED, CHUNKED],
        [CHUNKED, "X-Between: 1", "transfer-encoding: chunked"],
      ]),
  },
  {
    id: "A07",
    class: "framing",
    name: "chunks of an HTTP/1.0 client are refused",
    cases: (world) =>
      [[CHUNKED], [CHUNKED, "Connection: keep-alive"]].map((lines) => ({
        what: lines.join(),
        send: post(CHUNKS, ...lines, keyOf(world)).replace("HTTP/1.1", "HTTP/1.0"),
        expect: CODING,
      })),
  },
  {
    id: "A26",
    class: "framing",
    name: "twins of the framing fields with an underscore are refused, alone and next to the real ones",
    cases: (world) => [
      ...framed(TWIN, "hello", keyOf(world), [
        ["Content-Length: 5", "Content_Length: 0"],
        ["Content_Length: 0", "Content-Length: 5"],
        ["Content-Length: 5", "content_length: 5"],
        ["Content-Length: 5", "Transfer_Encoding: chunked"],
      ]),
      ...framed(TWIN, CHUNKS, keyOf(world), [
        [CHUNKED, "Transfer_Encoding: identity"],
        ["Transfer_Encoding: chunked", CHUNKED],
        [CHUNKED, "Content_Length: 5"],
      ]),
      ...framed(TWIN, "", keyOf(world), [
        ["Transfer_Encoding: chunked"],
        ["TRANSFER_ENCODING: chunked"],
        ["Content_Length: 5"],
        ["content_Length: 0"],
      ]),
    ],
  },
];
