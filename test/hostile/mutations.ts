/**
 * Streams made hostile: a known request is changed in a few places, by octets and words that mean something to HTTP. The same seed and
 * number make the same stream again.
 */
import { type Random, randomOf } from "#test/support/random.ts";

const LINES = [
  "Content-Length: 5", "Content-Length: 0", "Content-Length: +5", "Content-Length: 0x5", "Content-Length: 5, 5", "Content-Length : 5", "Content_Length: 5",
  "Transfer-Encoding: chunked", "Transfer-Encoding: Chunked", "Transfer-Encoding: gzip, chunked", "Transfer-Encoding: xchunked", "Transfer-Encoding : chunked",
  "Transfer_Encoding: chunked", "Transfer.Encoding: chunked", "Transfer-Encoding:\x0bchunked", " Transfer-Encoding: chunked", "\tX: 1", "Host: b.test",
  "Connection: close", "Connection: keep-alive, Content-Length", "Connection: upgrade", "Upgrade: websocket", "Expect: 100-continue", "Trailer: X", "TE: trailers",
  "X-Tollgate-Account: acct_1", "X_Tollgate_Account: acct_1", "X.Tollgate.Account: acct_1", "X-Forwarded-For: 1.2.3.4", "X-Consumer-Id: 1", "X: \xe9\xff", "X:",
] as const; // biome-ignore format: a list
const WORDS = [
  "\r", "\n", "\r\n", "\r\n\r\n", "\0", " ", "\t", "\x0b", "\x0c", "\x7f", "\x85", "\xa0", "\xff", ":", ",", ";", '"', "\\", "=", "+", "-", "_", ".", "0", "1", "5", "9",
  "a", "0x", "chunked", "identity", "Content-Length", "Transfer-Encoding", "Host", "GET ", "POST ", "HEAD ", "/", "//", "/../", "%2e", "%0d%0a", "HTTP/1.1", "HTTP/1.0",
  "http://b.test/", "0\r\n\r\n", "5\r\nhello\r\n", "GET /inner HTTP/1.1\r\nHost: a.test\r\n\r\n",
] as const; // biome-ignore format: a list
/** The victim's request: whatever the gateway takes for it must be it, and it ends the connection. */
const LAST = "GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n";

/** What is changed: `others` as they are, and good requests of every framing that carry the key. */
export function seedsOf(others: readonly Buffer[], key: string): readonly string[] {
  const head = (line: string, ...fields: readonly string[]) =>
    [line, "Host: a.test", `X-API-Key: ${key}`, ...fields, "", ""].join("\r\n");
  const get = head("GET /a?b=c HTTP/1.1", "Accept: */*");
  const length = `${head("POST /b HTTP/1.1", "Content-Type: text/plain", "Content-Length: 5")}hello`;
  const chunks = `${head("PUT /c HTTP/1.1", "Transfer-Encoding: chunked")}5\r\nhello\r\n6;a="b"\r\n world\r\n0\r\n\r\n`;
  const trailers = `${head("PATCH /d HTTP/1.1", "Transfer-Encoding: chunked", "TE: trailers")}3\r\nabc\r\n0\r\nX-T: 1\r\n\r\n`;
  const inner = `${head("POST /e HTTP/1.1", `Content-Length: ${LAST.length}`)}${LAST}`;
  const old = `${head("POST /f HTTP/1.0", "Connection: keep-alive", "Content-Length: 5")}hello`;
  const good = [
    get,
    length,
    chunks,
    trailers,
    inner,
    old,
    head("HEAD /g HTTP/1.1"),
    head("OPTIONS http://a.test/h HTTP/1.1"),
  ];
  const pairs = good.flatMap((one) => [one + get, one + chunks, length + one]);
  const short = others.map((bytes) => bytes.toString("latin1")).filter((text) => text.length <= 4096);
  // As many good ones as others: what is refused at its first line proves little.
  return [
    ...Array.from({ length: Math.ceil(short.length / (good.length + pairs.length)) }, () => [...good, ...pairs]).flat(),
    ...short,
  ];
}

export function mutant(seeds: readonly string[], seed: number, number: number): Buffer {
  const random = randomOf(Math.imul(seed, 0x9e3779b1) + number);
  let text = seeds[random.between(0, seeds.length - 1)] ?? "";
  for (let changes = random.between(1, 3); changes > 0; changes--) text = changed(text, seeds, random);
  return Buffer.from(random.between(1, 4) === 1 ? text : text + LAST, "latin1");
}

function changed(text: string, seeds: readonly string[], random: Random): string {
  const at = random.between(0, text.length);
  const to = Math.min(text.length, at + random.between(1, 8));
  switch (random.between(0, 8)) {
    case 0: // One bit.
      return (
        text.slice(0, at) +
        String.fromCharCode((text.charCodeAt(at) || 0) ^ (1 << random.between(0, 7))) +
        text.slice(at + 1)
      );
    case 1:
      return text.slice(0, at) + random.pick(WORDS) + text.slice(at);
    case 2:
      return text.slice(0, at) + random.pick(WORDS) + text.slice(to);
    case 3:
      return text.slice(0, at) + text.slice(to);
    case 4:
      return text.slice(0, to) + text.slice(at);
    case 5:
      return withLine(text, random.pick(LINES), random);
    case 6:
      return twice(text, random);
    case 7: // The beginning of one and the end of another.
      return spliced(text, seeds[random.between(0, seeds.length - 1)] ?? "", random);
    default:
      return reworded(text, random);
  }
}

/** Where a line begins, the request line apart. */
function lineStart(text: string, random: Random): number {
  const starts = Array.from(text.matchAll(/\n/g), ({ index }) => index + 1);
  return starts[random.between(0, starts.length - 1)] ?? text.length;
}

function withLine(text: string, line: string, random: Random): string {
  const at = lineStart(text, random);
  return `${text.slice(0, at)}${line}\r\n${text.slice(at)}`;
}

function twice(text: string, random: Random): string {
  const at = lineStart(text, random);
  const end = text.indexOf("\n", at) + 1 || text.length;
  return text.slice(0, end) + text.slice(at);
}

function spliced(text: string, other: string, random: Random): string {
  const byLine = random.between(0, 1) === 1;
  const place = (of: string) => (byLine ? lineStart(of, random) : random.between(0, of.length));
  return text.slice(0, place(text)) + other.slice(place(other));
}

/** A word that is there, spelt in another way. */
function reworded(text: string, random: Random): string {
  const found = [...text.matchAll(/\r\n|: |chunked|Content-Length|Transfer-Encoding|Host|HTTP\/1\.1|\d+/gi)];
  const { 0: word = "", index = text.length } = found[random.between(0, found.length - 1)] ?? { 0: "" };
  const other = random.pick([
    "\n", "\r", " :", ":", "\t", `${word}${word}`, `${word} `, ` ${word}`, word.toUpperCase(), word.replace("-", "_"), `"${word}"`, `0${word}`, `+${word}`, `${word},${word}`,
    `${word}\0`, "",
  ]); // biome-ignore format: a list
  return text.slice(0, index) + other + text.slice(index + word.length);
}
