/**
 * What the upstream of the differential test answers, by the last part of a request's path: the ways in which answers are framed, and
 * those in which they are odd or broken. Bytes only; `upstream.ts` sends them.
 */

export interface RawAnswerPlan {
  /** Written one after the other, each a read of its own; latin1. */
  readonly pieces: readonly string[];
  /** What becomes of the connection then. */
  readonly lastly: "keep" | "end" | "reset";
  /** Sent as soon as the request's head is there. */
  readonly early?: boolean;
}

const keep = (...pieces: readonly string[]): RawAnswerPlan => ({ pieces, lastly: "keep" });
const end = (...pieces: readonly string[]): RawAnswerPlan => ({ pieces, lastly: "end" });
const head = (line: string, ...fields: readonly string[]) =>
  [`HTTP/1.1 ${line}`, "X-App: 1", ...fields, "", ""].join("\r\n");
const ok = (...fields: readonly string[]) => head("200 OK", ...fields);
const LENGTH = "Content-Length: 5";
const CHUNKED = "Transfer-Encoding: chunked";
const USAGE = '{"usage":{"tokens":7}}';
const interim = (line: string, times = 1) => `HTTP/1.1 ${line}\r\nLink: </a>; rel=preload\r\n\r\n`.repeat(times);

/** Answers that are good HTTP; to HEAD their content is left out. */
const GOOD: Readonly<Record<string, RawAnswerPlan>> = {
  length: keep(ok(LENGTH), "hello"),
  "one-read": keep(`${ok(LENGTH)}hello`),
  empty: keep(ok("Content-Length: 0")),
  chunked: keep(ok(CHUNKED), "5\r\nhello\r\n", "6\r\n world\r\n0\r\n\r\n"),
  "chunked-cut": keep(ok(CHUNKED), "5\r", "\nhel", "lo\r\n", "0", "\r\n\r", "\n"),
  "chunked-empty": keep(ok(CHUNKED), "0\r\n\r\n"),
  extensions: keep(ok(CHUNKED), '5;a=b;c="d e"\r\nhello\r\n0;x\r\n\r\n'),
  trailers: keep(ok(CHUNKED, "Trailer: X-Sum"), "5\r\nhello\r\n0\r\nX-Sum: 9\r\nX-Tollgate-User: eve\r\n\r\n"),
  usage: keep(ok("Content-Type: application/json", `Content-Length: ${USAGE.length}`), USAGE),
  "usage-chunked": keep(ok("Content-Type: application/json", CHUNKED), `16\r\n${USAGE}\r\n0\r\n\r\n`),
  "until-close": end(ok(), "hello"),
  "until-close-empty": end(ok()),
  closing: end(ok(LENGTH, "Connection: close"), "hello"),
  "says-close": keep(ok(LENGTH, "Connection: close"), "hello"),
  old: end("HTTP/1.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  "old-kept": keep("HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 5\r\n\r\nhello"),
  204: keep(head("204 No Content")),
  "204-length": keep(head("204 No Content", "Content-Length: 0")),
  304: keep(head("304 Not Modified", 'ETag: "a"')),
  "304-length": keep(head("304 Not Modified", LENGTH)),
  404: keep(head("404 Not Found", LENGTH), "hello"),
  500: keep(head("500 Internal Server Error", LENGTH), "hello"),
  599: keep(head("599 Odd", LENGTH), "hello"),
  "bare-status": keep("HTTP/1.1 200\r\nContent-Length: 0\r\n\r\n"),
  "no-reason": keep("HTTP/1.1 200 \r\nContent-Length: 0\r\n\r\n"),
  early: { ...keep(head("413 Too Much", LENGTH), "hello"), early: true },
  "early-close": { ...end(head("413 Too Much", LENGTH, "Connection: close"), "hello"), early: true },
  hints: keep(interim("103 Early Hints") + interim("102 Processing"), ok(LENGTH), "hello"),
  "hints-joined": keep(`${interim("103 Early Hints", 2)}${ok(LENGTH)}hello`),
  named: keep(ok(LENGTH, "X-Hop: 1", "Connection: X-Hop, keep-alive", "Keep-Alive: timeout=9", "Proxy-Connection: a"), "hello"),
  ours: keep(ok(LENGTH, "X-Tollgate-Account: eve", "X-Request-Id: mine", "RateLimit: fake", "X-RateLimit-Limit: 1"), "hello"),
  twice: keep(ok(LENGTH, "Set-Cookie: a=1", "Set-Cookie: b=2", "x-app: 2", "X-Bytes: \xe9\xff", "X-Empty:"), "hello"),
  dated: keep(ok(LENGTH, "Date: Thu, 01 Jan 1970 00:00:00 GMT", "Server: app"), "hello"),
  upgrade: keep(ok(LENGTH, "Upgrade: h2c", "Connection: Upgrade"), "hello"),
  large: keep(ok("Content-Length: 70000"), "x".repeat(70_000)),
}; // biome-ignore format: a table

/** Answers that are not, or that break off. */
const BROKEN: Readonly<Record<string, RawAnswerPlan>> = {
  garbage: keep("SSH-2.0-x\r\n\r\n"),
  "garbage-end": end("SSH-2.0-x\r\n\r\n"),
  nothing: end(),
  reset: { pieces: [], lastly: "reset" },
  "half-body": end(ok(LENGTH), "he"),
  "half-chunk": end(ok(CHUNKED), "5\r\nhe"),
  "no-last-chunk": end(ok(CHUNKED), "5\r\nhello\r\n"),
  "half-trailer": end(ok(CHUNKED), "5\r\nhello\r\n0\r\nX-Su"),
  "body-reset": { pieces: [ok(LENGTH), "he"], lastly: "reset" },
  surplus: keep(`${ok(LENGTH)}hello more`),
  "surplus-answer": keep(`${ok(LENGTH)}hello${ok(LENGTH)}other`),
  "head-content": keep(`${ok(LENGTH)}hello`),
  "204-content": keep(`${head("204 No Content")}hello`),
  "204-chunked": keep(`${head("204 No Content", CHUNKED)}0\r\n\r\n`),
  "304-content": keep(`${head("304 Not Modified", LENGTH)}hello`),
  both: keep(ok(LENGTH, CHUNKED), "5\r\nhello\r\n0\r\n\r\n"),
  "two-lengths": keep(ok(LENGTH, "Content-Length: 6"), "hello"),
  "same-lengths": keep(ok(LENGTH, LENGTH), "hello"),
  "length-list": keep(ok("Content-Length: 5, 5"), "hello"),
  "length-plus": keep(ok("Content-Length: +5"), "hello"),
  "length-zeros": keep(ok("Content-Length: 005"), "hello"),
  "length-hex": keep(ok("Content-Length: 0x5"), "hello"),
  "length-empty": keep(ok("Content-Length: "), "hello"),
  "length-huge": end(ok("Content-Length: 99999999999999999999"), "hello"),
  "gzip-chunked": keep(ok("Transfer-Encoding: gzip, chunked"), "5\r\nhello\r\n0\r\n\r\n"),
  "chunked-twice": keep(ok(CHUNKED, CHUNKED), "5\r\nhello\r\n0\r\n\r\n"),
  identity: end(ok("Transfer-Encoding: identity"), "hello"),
  "lf-lines": keep("HTTP/1.1 200 OK\nContent-Length: 5\n\nhello"),
  "lf-field": keep("HTTP/1.1 200 OK\r\nX-A: 1\nContent-Length: 5\r\n\r\nhello"),
  "lf-chunk": keep(ok(CHUNKED), "5\nhello\n0\n\n"),
  fold: keep(ok(LENGTH, "X-A: 1", " more"), "hello"),
  "space-colon": keep(ok(LENGTH, "X-A : 1"), "hello"),
  "no-colon": keep(ok(LENGTH, "X-A"), "hello"),
  nul: keep(ok(LENGTH, "X-A: a\0b"), "hello"),
  control: keep(ok(LENGTH, "X-A: a\x01b"), "hello"),
  "cr-value": keep(ok(LENGTH, "X-A: a\rb"), "hello"),
  "bad-name": keep(ok(LENGTH, "X(A: 1"), "hello"),
  "bad-chunk": keep(ok(CHUNKED), "5\r\nhelloX\r\n0\r\n\r\n"),
  "bad-size": keep(ok(CHUNKED), "g\r\nhello\r\n0\r\n\r\n"),
  "bad-second-size": keep(ok(CHUNKED), "5\r\nhello\r\n", "-1\r\n"),
  "space-size": keep(ok(CHUNKED), "5 \r\nhello\r\n0\r\n\r\n"),
  "trailer-length": keep(ok(CHUNKED), "5\r\nhello\r\n0\r\nContent-Length: 9\r\n\r\n"),
  "bad-trailer": keep(ok(CHUNKED), "5\r\nhello\r\n0\r\nX A: 9\r\n\r\n"),
  99: keep("HTTP/1.1 099 Odd\r\nContent-Length: 0\r\n\r\n"),
  600: keep(head("600 Odd", LENGTH), "hello"),
  999: keep(head("999 Odd", LENGTH), "hello"),
  1000: keep(head("1000 Odd", LENGTH), "hello"),
  "version-12": keep("HTTP/1.2 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  "small-version": keep("http/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  101: keep("HTTP/1.1 101 Switching Protocols\r\nUpgrade: h2c\r\nConnection: Upgrade\r\n\r\n"),
  "101-bare": keep("HTTP/1.1 101 Switching Protocols\r\n\r\n"),
  "many-hints": keep(interim("103 Early Hints", 20), ok(LENGTH), "hello"),
  "hint-then-end": end(interim("103 Early Hints")),
  "many-fields": keep(ok(LENGTH, ...Array.from({ length: 300 }, (_, at) => `X-${at}: 1`)), "hello"),
  "large-head": keep(ok(LENGTH, `X-A: ${"a".repeat(70_000)}`), "hello"),
  "reason-control": keep("HTTP/1.1 200 O\x01K\r\nContent-Length: 5\r\n\r\nhello"),
}; // biome-ignore format: a table

/** Answers that undici, behind the full lane, takes otherwise than our own reader: `wanted.ts` says why each may be so. */
const UNDICI: Readonly<Record<string, RawAnswerPlan>> = {
  "odd-reason": keep("HTTP/1.1 200 Caf\xe9 (yes)\r\nContent-Length: 0\r\n\r\n"),
  continue: keep(interim("100 Continue"), ok(LENGTH), "hello"),
  "half-head": end("HTTP/1.1 200 OK\r\nContent-"),
  "old-chunked": end("HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n"),
  "long-size": keep(ok(CHUNKED), "00000000000000005\r\nhello\r\n0\r\n\r\n"),
  "version-2": keep("HTTP/2.0 200 OK\r\nContent-Length: 5\r\n\r\nhello"),
  "blank-first": keep(`\r\n${ok(LENGTH)}hello`),
};

export const GOOD_ANSWERS: readonly string[] = Object.keys(GOOD);
export const BROKEN_ANSWERS: readonly string[] = Object.keys(BROKEN);
/** Never answered: its client leaves. */
export const SILENT_ANSWER = "silent";

const PLAIN = keep(`${ok("Content-Length: 2")}ok`);

/** null: no answer at all. */
export function answerFor(method: string, target: string): RawAnswerPlan | null {
  const kind = /\/as\/([^/?#]+)/.exec(target)?.[1] ?? "";
  if (kind === SILENT_ANSWER) return null;
  const plan = GOOD[kind];
  if (plan === undefined) return BROKEN[kind] ?? UNDICI[kind] ?? (method === "HEAD" ? withoutContent(PLAIN) : PLAIN);
  return method === "HEAD" ? withoutContent(plan) : plan;
}

/** Interim answers stay; of the final one the head alone. */
function withoutContent(plan: RawAnswerPlan): RawAnswerPlan {
  const all = plan.pieces.join("");
  const final = /(?:^|\r\n\r\n)HTTP\/1\.[01] [2-5]\d\d/.exec(all)?.index ?? 0;
  return { ...plan, pieces: [all.slice(0, all.indexOf("\r\n\r\n", final === 0 ? 0 : final + 4) + 4)] };
}
