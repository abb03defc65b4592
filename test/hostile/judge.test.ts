/** The judge can convict, and lets the innocent go: known ways to smuggle, plain requests, and each reader's own way of reading. */
import { describe, expect, test } from "vitest";
import { differenceOf, judge } from "./judge.ts";
import { DIALECTS } from "./readers/dialects.ts";
import { readLeniently } from "./readers/lenient.ts";
import { readStrictly } from "./readers/strict.ts";

const INNER = "GET /inner HTTP/1.1\r\nHost: a.test\r\n\r\n";
const CHUNKED = "3\r\nabc\r\n0\r\n\r\n";

/** Fields with their line ends; Host comes before them. */
function post(fields: string, body: string): string {
  return `POST /x HTTP/1.1\r\nHost: a.test\r\n${fields}\r\n${body}`;
}

describe("what nobody can misread is clear", () => {
  test.each<readonly [string, string, number]>([
    ["a request", INNER, 1],
    ["three in a row", INNER.repeat(3), 3],
    ["a length", post("Content-Length: 3\r\n", "abc"), 1],
    ["chunks", post("Transfer-Encoding: chunked\r\n", CHUNKED), 1],
    ["chunks and another request", post("transfer-encoding: Chunked\r\n", CHUNKED) + INNER, 2],
    ["a body that looks like a request", post(`Content-Length: ${INNER.length}\r\n`, INNER) + INNER, 2],
    [
      "chunks that look like a request",
      post("Transfer-Encoding: chunked\r\n", `${INNER.length.toString(16)}\r\n${INNER}\r\n0\r\n\r\n`),
      1,
    ],
    ["odd but good octets", post("X-A: \xe9\xff \t:;,\"\r\nX!#$%&'*+.^`|~: \r\n", ""), 1],
    [
      "all three hosts",
      "GET / HTTP/1.1\r\nHost: [::1]:80\r\n\r\nGET / HTTP/1.1\r\nhost: A-b.c:1\r\n\r\nOPTIONS * HTTP/1.1\r\nHost: 1.2.3.4\r\n\r\n",
      3,
    ],
    ["a body that was cut off", post("Content-Length: 9\r\n", "abc"), 1],
    ["chunks that were cut off", post("Transfer-Encoding: chunked\r\n", "3\r\nab"), 1],
    ["nothing", "", 0],
  ])("%s", (_what, bytes, messages) => {
    expect(judge(bytes)).toMatchObject({ kind: "clear", why: "" });
    expect(judge(bytes).messages.length).toBe(messages);
  });
});

describe("what is no HTTP is malformed", () => {
  test.each<readonly [string, string]>([
    ["CL.TE", post("Content-Length: 6\r\nTransfer-Encoding: chunked\r\n", "0\r\n\r\nG")],
    ["TE.CL", post("Transfer-Encoding: chunked\r\nContent-Length: 3\r\n", "1\r\nZ\r\n0\r\n\r\n")],
    ["TE.TE, the second odd", post("Transfer-Encoding: chunked\r\nTransfer-Encoding: x\r\n", CHUNKED)],
    ["two lengths", post("Content-Length: 3\r\nContent-Length: 0\r\n", "abc")],
    ["two equal lengths", post("Content-Length: 3\r\nContent-Length: 3\r\n", "abc")],
    ["a list of lengths", post("Content-Length: 3, 3\r\n", "abc")],
    ["a signed length", post("Content-Length: +3\r\n", "abc")],
    ["a hexadecimal length", post("Content-Length: 0x3\r\n", "abc")],
    ["an empty length", post("Content-Length: \r\n", "")],
    ["a folded line", post("X: 1\r\n Content-Length: 3\r\n", "abc")],
    ["a space before the colon", post("Content-Length : 3\r\n", "abc")],
    ["a tab before the name", post("\tContent-Length: 3\r\n", "abc")],
    ["a bare LF in a value", post("X: 1\nContent-Length: 3\r\n", "abc")],
    ["a bare LF after a line", "GET / HTTP/1.1\nHost: a.test\n\n"],
    ["a bare CR in a value", post("X: 1\rContent-Length: 3\r\n", "abc")],
    ["CR twice", post("X: 1\r\r\nContent-Length: 3\r\n", "abc")],
    ["NUL in a value", post("Content-Length: 3\0\r\n", "abc")],
    ["VT before a coding", post("Transfer-Encoding: \x0bchunked\r\n", CHUNKED)],
    ["0xa0 before a coding", post("Transfer-Encoding: \xa0chunked\r\n", CHUNKED)],
    ["0x85 behind a name", post("Content-Length\x85: 3\r\n", "abc")],
    ["another coding before chunks", post("Transfer-Encoding: gzip, chunked\r\n", CHUNKED)],
    ["chunked in quotes", post('Transfer-Encoding: "chunked"\r\n', CHUNKED)],
    ["identity", post("Transfer-Encoding: identity\r\n", "")],
    ["chunks in HTTP/1.0", post("Transfer-Encoding: chunked\r\n", CHUNKED).replace("1.1", "1.0")],
    ["a size with a prefix", post("Transfer-Encoding: chunked\r\n", "0x3\r\nabc\r\n0\r\n\r\n")],
    ["a size with a space", post("Transfer-Encoding: chunked\r\n", "3 \r\nabc\r\n0\r\n\r\n")],
    ["a bare LF in an extension", post("Transfer-Encoding: chunked\r\n", "3;a\nabc\r\n0\r\n\r\n")],
    ["a bare CR in an extension", post("Transfer-Encoding: chunked\r\n", "3;a\rabc\r\n0\r\n\r\n")],
    ["a chunk without its end", post("Transfer-Encoding: chunked\r\n", "3\r\nabcXX0\r\n\r\n")],
    ["a chunk that ends with LF", post("Transfer-Encoding: chunked\r\n", "3\r\nabc\n0\r\n\r\n")],
    ["a length in the trailers", post("Transfer-Encoding: chunked\r\n", "0\r\nContent-Length: 3\r\n\r\n")],
    ["no host", "GET / HTTP/1.1\r\n\r\n"],
    ["two hosts", post("Host: b.test\r\n", "")],
    ["a host with a path", "GET / HTTP/1.1\r\nHost: a.test/b\r\n\r\n"],
    ["an absolute target", "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n"],
    ["two spaces in the request line", "GET  / HTTP/1.1\r\nHost: a.test\r\n\r\n"],
    ["a target with a tab", "GET /\tx HTTP/1.1\r\nHost: a.test\r\n\r\n"],
    ["HTTP/2.0", "GET / HTTP/2.0\r\nHost: a.test\r\n\r\n"],
    ["HTTP/0.9", "GET /\r\n\r\n"],
    ["an empty line before", `\r\n${INNER}`],
    ["half a head", "GET / HTTP/1.1\r\nHost: a.te"],
    ["something behind", `${INNER}abc`],
    ["a name that is none", post("X(: 1\r\n", "")],
    ["a line without a colon", post("X\r\n", "")],
  ])("%s", (_what, bytes) => {
    expect(judge(bytes).kind).toBe("malformed");
  });
});

describe("what is HTTP and read in two ways is ambiguous", () => {
  test.each<readonly [string, string]>([
    ["a twin of the length with an underscore", post(`Content_Length: ${INNER.length}\r\n`, INNER)],
    ["two lengths, one with an underscore", post("Content-Length: 3\r\nContent_Length: 0\r\n", "abc")],
    [
      "a twin of the coding with an underscore",
      post(`Transfer_Encoding: chunked\r\nContent-Length: ${CHUNKED.length}\r\n`, CHUNKED),
    ],
    [
      "a twin of the coding with a dot",
      post(`Transfer.Encoding: chunked\r\nContent-Length: ${CHUNKED.length}\r\n`, CHUNKED),
    ],
    ["a twin of the caller's account", post("X_Tollgate_Account: me\r\n", "")],
    ["a length with a zero in front", post("Content-Length: 010\r\n", "0123456789")],
    ["a request to upgrade, and another request", post("Connection: upgrade\r\nUpgrade: websocket\r\n", "") + INNER],
  ])("%s", (_what, bytes) => {
    expect(judge(bytes).kind).toBe("ambiguous");
  });
});

/** For each reader bytes that it reads differently from the plain one. */
const PECULIAR: Readonly<Record<string, string>> = {
  "LF ends a line": post("X: 1\nContent-Length: 3\r\n", "abc"),
  "CR ends a line": post("X: 1\rContent-Length: 3\r\n", "abc"),
  "length first": post("Content-Length: 13\r\nTransfer-Encoding: chunked\r\n", `0\r\n\r\n${CHUNKED.slice(0, 8)}`),
  "chunked anywhere": post("Transfer-Encoding: xchunkedx\r\n", CHUNKED),
  "chunked by any coding but identity": post("Transfer-Encoding: cow\r\n", CHUNKED),
  "trimmed names": post("\x0bContent-Length\x85: 3\r\n", "abc"),
  "trimmed names and values, LF ends a line": post("Content-Length : \x0b3\r\n", "abc"),
  "names to the first blank": post("Content-Length x: 3\r\n", "abc"),
  "_ is -": post("Content_Length: 3\r\n", "abc"),
  "all but letters and digits is -": post("Content.Length: 3\r\n", "abc"),
  "folded lines are fields": post("X: 1\r\n Content-Length: 3\r\n", "abc"),
  "folded lines are nothing": post("Content-Length: 3\r\n 0\r\n", "abc"),
  "the first counts": post("Content-Length: 3\r\nContent-Length: 0\r\n", "abc"),
  "the last counts": post("Content-Length: 0, 3\r\n", "abc"),
  "loose numbers": post("Content-Length: 3;\r\n", "abc"),
  "numbers as in C": post("Content-Length: 0x3\r\n", "abc"),
  "NUL ends a line": post("Content-Length: 3\0x\r\n", "abc"),
  "control characters are left out": post("Content-Le\x01ngth: 3\r\n", "abc"),
  "any two octets end a chunk": post("Transfer-Encoding: chunked\r\n", "3\r\nabcXX0\r\n\r\n"),
  "LF ends a chunk's line": post("Transfer-Encoding: chunked\r\n", "3;a\nabc\r\n0\r\n\r\n"),
  "blanks part the request line": "GET\t/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
  "the target says the host": "GET http://b.test/ HTTP/1.1\r\nHost: a.test\r\n\r\n",
  "upgrades are obeyed": post("Upgrade: websocket\r\n", "") + INNER,
};

test.each(DIALECTS.slice(1))("the reader by which $name has its own way", (dialect) => {
  const [plain] = DIALECTS;
  const bytes = PECULIAR[dialect.name] ?? "";
  if (plain === undefined) throw new Error("There is no plain reader");
  expect(differenceOf(readLeniently(bytes, plain), readLeniently(bytes, dialect))).not.toBeNull();
});

test("readers that see the same messages differ in nothing", () => {
  const bytes = post("Content-Length: 3\r\n", "abc") + INNER;
  for (const dialect of DIALECTS) expect(differenceOf(readStrictly(bytes), readLeniently(bytes, dialect))).toBeNull();
});
