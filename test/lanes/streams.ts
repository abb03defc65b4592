/**
 * Streams for the differential test of the lanes: conversations as clients hold them, the hostile ones of the wire's own fuzzing, and
 * mutations of both. With each, how it is sent: in which pieces, and how the client leaves. Seeded by fast-check.
 */
import fc from "fast-check";
import { anyStream, mutated, mutations } from "#test/data-plane/wire/http1/streams.ts";
import { BROKEN_ANSWERS, GOOD_ANSWERS, SILENT_ANSWER } from "./answers.ts";

/** Stands for the key of whoever plays the stream. */
const KEY = "@KEY@";

export interface Stream {
  /** Latin1. */
  readonly text: string;
  /** Where it is cut in pieces, as shares of its length. */
  readonly cuts: readonly number[];
  /** How its client leaves once nothing more comes. */
  readonly leaves: "end" | "reset";
}

const METHODS = ["GET", "GET", "GET", "POST", "POST", "PUT", "HEAD", "OPTIONS", "DELETE", "PATCH"];
const PLACES = ["/open", "/open", "/key", "/key", "/measured"];
const PATHS = [
  "/role", "/few", "/few", "/few", "/rated", "/rated", "/get", "/one", "/key/a%41%2e/b?q=%20&r", "/key/%e9%C3", "/key/../role", "/key//a",
  "/key/a%2fb", "/key/%00", "/key/%zz", "http://a.test/key?x", "http://b.test/key", "HTTP://A.test:80/open", "*", "/none", "/_tollgate/auth/me", "/key/#f", `/key/${"a".repeat(3000)}`,
  "/_tollgate/health", "/shut",
]; // biome-ignore format: a list
const TOO_MANY = Array.from({ length: 300 }, (_, at) => `X-${at}: 1`).join("\r\n");
const FIELDS = [
  "Connection: close", "Connection: keep-alive", "Connection: X-Hop\r\nX-Hop: 1", "Connection: keep-alive, X-Hop\r\nX-Hop: 1\r\nX-Keep: 2",
  "Connection: Authorization", "Connection: x-tollgate-user", "Expect: 100-continue", "Expect: 100-Continue", "Expect: 200-ok", "Accept: a\r\naccept: b",
  "X-Tollgate-User: eve", "X-Forwarded-For: 1.2.3.4", "X-Request-Id: mine", "X-Request-Id: a b", "Traceparent: 00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
  "Upgrade: foo", "Upgrade: websocket", "TE: trailers", "Cookie: a=1; b=2", "X-Bytes: \xe9\xff", "X-Empty:",
  "X-Spaces: \t a  b\t ", "Accept-Encoding: gzip, br", "Content-Type: application/json", "Authorization: Bearer wrong", "Authorization: Basic YTpi",
  "X-A_B: 1", `X-Long: ${"l".repeat(5000)}`, `X-Longer: ${"l".repeat(9000)}`, "Range: bytes=0-1", "Keep-Alive: 300", "Proxy-Connection: keep-alive",
  TOO_MANY, "Trailer: X-Sum", "Host: a.test", "Content-Length: 0", "Content-Length: 00", "Transfer-Encoding: chunked",
]; // biome-ignore format: a list
const WEBSOCKET =
  "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13";

const OTHER_UPGRADE = "Upgrade: h2c\r\nConnection: Upgrade, HTTP2-Settings\r\nHTTP2-Settings: AAA";

const rarely = <T>(arbitrary: fc.Arbitrary<T>, other: T, weight: number) =>
  fc.oneof({ weight, arbitrary: fc.constant(other) }, { weight: 1, arbitrary });

const target = fc.oneof(
  { weight: 4, arbitrary: fc.tuple(fc.constantFrom(...PLACES), fc.constantFrom(...GOOD_ANSWERS)).map(([place, kind]) => `${place}/as/${kind}`) },
  { weight: 2, arbitrary: fc.tuple(fc.constantFrom(...PLACES), fc.constantFrom(...BROKEN_ANSWERS)).map(([place, kind]) => `${place}/as/${kind}`) },
  { weight: 3, arbitrary: fc.constantFrom(...PATHS) },
); // biome-ignore format: a table

const credential = fc.constantFrom(
  `Authorization: Bearer ${KEY}\r\n`,
  `Authorization: Bearer ${KEY}\r\n`,
  `X-API-Key: ${KEY}\r\n`,
  "",
);

interface Body {
  readonly fields: string;
  readonly content: string;
}

const NONE: Body = { fields: "", content: "" };
const chunked = (content: string): Body => ({ fields: "Transfer-Encoding: chunked\r\n", content });
const length = (content: string): Body => ({ fields: `Content-Length: ${content.length}\r\n`, content });
const body: fc.Arbitrary<Body> = fc.constantFrom(
  NONE, NONE, NONE, length(""), length("hello"), length("GET /inner HTTP/1.1\r\nHost: a.test\r\n\r\n"), length("b".repeat(1500)), length("b".repeat(4000)),
  length("b".repeat(4001)), length("b".repeat(70_000)), chunked("0\r\n\r\n"), chunked("5\r\nhello\r\n0\r\n\r\n"), chunked('5;a=b;c="d e"\r\nhello\r\n00005\r\nworld\r\n0;z\r\n\r\n'),
  chunked("5\r\nhello\r\n0\r\nX-Sum: 9\r\nX-Tollgate-User: eve\r\n\r\n"), chunked(`${"8\r\nbbbbbbbb\r\n".repeat(60)}0\r\n\r\n`), chunked(`fa0\r\n${"b".repeat(4000)}\r\n0\r\n\r\n`),
  chunked(`fa1\r\n${"b".repeat(4001)}\r\n0\r\n\r\n`), chunked(`1388\r\n${"b".repeat(5000)}\r\n1388\r\n${"b".repeat(5000)}\r\n0\r\n\r\n`),
); // biome-ignore format: a list

const request = fc
  .record({
    method: fc.constantFrom(...METHODS),
    target,
    version: rarely(fc.constant("1.0"), "1.1", 12),
    host: rarely(
      fc.constantFrom("", "Host: b.test:80\r\n", "Host: A.test.\r\n", "host:a.test\r\n"),
      "Host: a.test\r\n",
      12,
    ),
    credential,
    fields: rarely(fc.array(fc.constantFrom(...FIELDS), { minLength: 1, maxLength: 2 }), [], 2),
    body,
    before: rarely(fc.constantFrom("\r\n", "\r\n\r\n"), "", 30),
  })
  .map((parts) => {
    const fields = parts.fields.map((field) => `${field}\r\n`).join("");
    // Told of in `wanted.ts`.
    const method = parts.target.startsWith("/_tollgate") && parts.method === "HEAD" ? "GET" : parts.method;
    const top = `${parts.before}${method} ${parts.target} HTTP/${parts.version}\r\n`;
    return `${top}${parts.host}${parts.credential}${fields}${parts.body.fields}\r\n${parts.body.content}`;
  });

const upgrade = fc
  .tuple(fc.constantFrom("/open", "/key", "/open/as/101", "/key/as/404", "/few"), credential)
  .map(([path, key]) => `GET ${path} HTTP/1.1\r\nHost: a.test\r\n${key}${WEBSOCKET}\r\n\r\n`);

/** Which no lane takes: the request is a plain one. */
const ignored = fc
  .tuple(fc.constantFrom("GET", "POST"), target, credential)
  .map(([method, path, key]) => `${method} ${path} HTTP/1.1\r\nHost: a.test\r\n${key}${OTHER_UPGRADE}\r\n\r\n`);

const silent = fc
  .tuple(fc.constantFrom("/open", "/key", "/measured"), credential, body)
  .map(
    ([place, key, { fields, content }]) =>
      `POST ${place}/as/${SILENT_ANSWER} HTTP/1.1\r\nHost: a.test\r\n${key}${fields}\r\n${content}`,
  );

const conversation = fc
  .tuple(
    fc.array(request, { minLength: 1, maxLength: 5 }),
    fc.oneof(
      { weight: 12, arbitrary: fc.constant("") },
      { weight: 1, arbitrary: upgrade },
      { weight: 1, arbitrary: ignored },
      { weight: 1, arbitrary: silent },
    ),
  )
  .map(([requests, last]) => requests.join("") + last);

/** Broken off somewhere. Not in more fields than a request may have: our reader says so at the first too many, node when it has them all. */
const cutShort = fc
  .tuple(conversation, fc.double({ min: 0, max: 1, noNaN: true }))
  .map(([text, part]) => (text.includes(TOO_MANY) ? text : text.slice(0, Math.floor(text.length * part))));

const plain = fc.oneof({ weight: 6, arbitrary: conversation }, { weight: 1, arbitrary: cutShort });
const hostile = fc.oneof(
  { weight: 1, arbitrary: fc.tuple(conversation, mutations).map(([whole, changes]) => changes.reduce(mutated, whole)) },
  { weight: 2, arbitrary: anyStream.map((bytes) => bytes.toString("latin1")) },
); // biome-ignore format: a table

const share = fc.double({ min: 0, max: 1, noNaN: true });

function streamOf(text: fc.Arbitrary<string>): fc.Arbitrary<Stream> {
  return fc.record({
    text,
    cuts: fc.oneof(fc.constant([]), fc.constant([]), fc.array(share, { minLength: 1, maxLength: 3 })),
    leaves: rarely(fc.constant("reset" as const), "end" as const, 10),
  });
}

/** What clients send that know HTTP, though what they ask for may be refused, or answered badly. */
export const plainStream = streamOf(plain);
/** What nobody sends who means well. */
export const hostileStream = streamOf(hostile);

/** What is sent, piece by piece. */
export function piecesOf({ text: whole, cuts }: Stream, key: string): readonly Buffer[] {
  const bytes = Buffer.from(whole.replaceAll(KEY, key), "latin1");
  const places = [0, ...cuts.map((one) => Math.floor(one * bytes.length)).sort((a, b) => a - b), bytes.length];
  return places.slice(1).flatMap((to, index) => (to > (places[index] ?? 0) ? [bytes.subarray(places[index], to)] : []));
}
