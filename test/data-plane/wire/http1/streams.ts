/**
 * Random streams of requests, from the valid to the hostile: what a grammar makes, and mutations of that. Seeded by fast-check.
 */
import fc from "fast-check";

const TOKENS = ["GET", "POST", "PUT", "DELETE", "OPTIONS", "HEAD", "PATCH", "BREW", "get", "M-SEARCH", "G T", ""];
const TARGETS = [
  "/",
  "/a/b?c=d",
  "/%2e%2e/x",
  "http://a.test/x",
  "*",
  "/a b",
  "//x",
  "/\xe9",
  "/a#b",
  "",
  "a.test:443",
];
const VERSIONS = ["HTTP/1.1", "HTTP/1.0", "HTTP/1.2", "HTTP/2.0", "HTTP/0.9", "http/1.1", "HTTP/1.1 ", "HTTP/11", ""];
const ENDS = ["\r\n", "\n", "\r", "\r\r\n", "\r\n "];
const NAMES = [
  "Host", "host", "Content-Length", "content-length", "Transfer-Encoding", "transfer-encoding", "Connection", "Expect", "Accept", "X-A", "X_A",
  "Upgrade", "Content-Length ", " Host", "Transfer-Encoding\t", "X\x0b", "", "X(", "\xe9", "Trailer", "TE",
]; // biome-ignore format: a list
const VALUES = [
  "a.test", "", "0", "1", "3", "5", "03", "+3", "3, 3", " 3 ", "0x3", "99999999999999999999", "chunked", "Chunked", "chunked, identity", ",chunked",
  "identity", "gzip, chunked", "close", "keep-alive", "close, x", "100-continue", "a\x01b", "a\0b", "\xff", "websocket", "upgrade", "\tx\t",
  "a\rb", "a\nb", "\"chunked\"", "chunked;q=1", "chunked\t", "chunked ", "3\t",
]; // biome-ignore format: a list
const CHUNKS = [
  "0\r\n\r\n", "3\r\nabc\r\n", "3\r\nabc\r\n0\r\n\r\n", "3;a=b\r\nabc\r\n0\r\n\r\n", '3;a="b\\"c"\r\nabc\r\n0\r\nX: 1\r\n\r\n', "3 \r\nabc\r\n0\r\n\r\n",
  "3\nabc\n0\n\n", "0x3\r\nabc\r\n0\r\n\r\n", "-1\r\n", "3\r\nabcd\r\n0\r\n\r\n", "3\r\nab\r\n0\r\n\r\n", "0003\r\nabc\r\n00\r\n\r\n", "g\r\n",
  "ffffffffffffffff\r\n", "0\r\nContent-Length: 5\r\n\r\n", "0\r\nX : 1\r\n\r\n", "0\r\n X: 1\r\n\r\n", "3;\r\nabc\r\n0\r\n\r\n", "3\r\n\r\n0\r\n0\r\n\r\n",
  "0;a\r\n\r\n", "3\r\r\nabc\r\n",
]; // biome-ignore format: a list
const BODIES = ["", "abc", "abcde", "GET /inner HTTP/1.1\r\nHost: a.test\r\n\r\n", "\r\n", "0\r\n\r\n", ...CHUNKS];

const mostly = (common: string, others: readonly string[]) =>
  fc.oneof({ weight: 40, arbitrary: fc.constant(common) }, { weight: 1, arbitrary: fc.constantFrom(...others) });

const end = mostly("\r\n", ENDS);

const field = fc
  .tuple(
    fc.constantFrom(...NAMES),
    mostly(": ", [":", " : ", ":\t", " ", "::", ":\r\n "]),
    fc.constantFrom(...VALUES),
    end,
  )
  .map((parts) => parts.join(""));

const goodFields = fc.constantFrom(
  "Content-Length: 3\r\n", "Content-Length: 5\r\n", "Transfer-Encoding: chunked\r\n", "Connection: close\r\n", "X-A: 1\r\n", "Content-Length: 0\r\n", "",
); // biome-ignore format: a list

const head = fc
  .tuple(
    mostly("GET", TOKENS),
    mostly(" ", ["  ", "\t", ""]),
    mostly("/x", TARGETS),
    mostly(" ", ["  ", "\t", ""]),
    mostly("HTTP/1.1", VERSIONS),
    end,
    mostly("Host: a.test\r\n", ["", "Host: b.test\r\n", "Host : a.test\r\n", "\r\n"]),
    goodFields,
    fc.oneof(fc.constant([]), fc.constant([]), fc.array(field, { maxLength: 3 })),
    mostly("\r\n", ["\n", "\r", "", "\r\n\r\n", " \r\n"]),
  )
  .map((parts) => parts.flat().join(""));

const message = fc
  .tuple(mostly("", ["\r\n", "\n", "\r\n\r\n", " "]), head, fc.constantFrom(...BODIES))
  .map((parts) => parts.join(""));

/** A change of some octets, as they happen on a bad line and in bad minds. */
const mutation = fc.record({
  kind: fc.constantFrom("drop", "double", "swap", "set", "insert"),
  at: fc.nat(),
  octet: fc.oneof(fc.constantFrom(0, 9, 10, 11, 13, 32, 0x3a, 0x3b, 0x7f, 0x85, 0xa0, 0xff), fc.nat({ max: 255 })),
});

export const mutations = fc.array(mutation, { minLength: 1, maxLength: 4 });

/** The text with one change. */
export function mutated(text: string, { kind, at, octet }: { kind: string; at: number; octet: number }): string {
  const place = text.length === 0 ? 0 : at % text.length;
  const character = String.fromCharCode(octet);
  const [before, here, after] = [text.slice(0, place), text.slice(place, place + 1), text.slice(place + 1)];
  if (kind === "drop") return before + after;
  if (kind === "double") return before + here + here + after;
  if (kind === "swap") return before + after.slice(0, 1) + here + after.slice(1);
  if (kind === "set") return before + character + after;
  return before + character + here + after;
}

/** The bytes that a client sends on one connection. */
export const anyStream: fc.Arbitrary<Buffer> = fc
  .tuple(
    fc.array(message, { minLength: 1, maxLength: 3 }),
    fc.oneof({ weight: 3, arbitrary: fc.constant([]) }, { weight: 1, arbitrary: mutations }),
  )
  .map(([messages, changes]) => Buffer.from(changes.reduce(mutated, messages.join("")), "latin1"));
