/** The strict reading of request heads: one meaning or a refusal. */
import { expect, test } from "vitest";
import type { Refusal } from "#core/errors.ts";
import { isRefusal } from "#data-plane/exchange.ts";
import { hasBody, methodFault, readHead, type RequestHead, withAuthority } from "#data-plane/wire/head.ts";

function read(lines: readonly string[], httpVersion = "1.1"): RequestHead | Refusal {
  const hasHost = lines.some((line) => /^host:/i.test(line)) || httpVersion === "1.0";
  const fields = hasHost ? lines : ["Host: a.test", ...lines];
  const raw = fields.flatMap((line) => {
    const colon = line.indexOf(":");
    return [line.slice(0, colon), line.slice(colon + 1).replace(/^ /, "")];
  });
  return readHead(raw, httpVersion);
}

function accepted(lines: readonly string[], httpVersion = "1.1"): RequestHead {
  const head = read(lines, httpVersion);
  if (isRefusal(head)) throw new Error(`Refused by ${head.rule}: ${head.detail}`);
  return head;
}

test("a plain head is read as it is", () => {
  expect(accepted(["Accept: */*", "X-Thing: 1", "X-Request-Id: mine-1"])).toEqual({
    raw: ["Host", "a.test", "Accept", "*/*", "X-Thing", "1", "X-Request-Id", "mine-1"],
    names: ["host", "accept", "x-thing", "x-request-id"],
    host: "a.test",
    authority: "a.test",
    contentLength: null,
    chunked: false,
    connectionOptions: [],
    upgrade: null,
    requestId: "mine-1",
    expects: "nothing",
    keepsAlive: true,
    memo: { before: null, credential: null, caller: null, forwarded: null },
  });
});

test.each([
  ["a.test", "a.test"],
  ["A.Test", "a.test"],
  ["a.test:8080", "a.test"],
  ["a.test.", "a.test"],
  ["A.test.:80", "a.test"],
  ["192.0.2.1:65535", "192.0.2.1"],
  ["[::1]", "[::1]"],
  ["[2001:DB8::1]:443", "[2001:db8::1]"],
  ["under_score.test", "under_score.test"],
])("the host of %s is %s", (value, host) => {
  expect(accepted([`Host: ${value}`])).toMatchObject({ host, authority: value });
});

test.each([
  "", "a b", "a,b", "a@b", "a#b", "a/b", "a?b", "a%2eb", "a:", "a:b", "a:65536", "a:99999", "a:123456", "a:-1", "[::1", "::1", "[a.test]",
  "a.test:80:80", "é", "a\\b", "http://a",
])("the host %j is refused", (value) => {
  expect(read([`Host: ${value}`])).toMatchObject({ code: "malformed_request", rule: "header:host", close: true });
}); // biome-ignore format: a list

test("a missing host is refused in HTTP/1.1 and empty in HTTP/1.0", () => {
  expect(readHead([], "1.1")).toMatchObject({ rule: "header:host" });
  expect(accepted([], "1.0").host).toBe("");
});

test("an absolute target says the host where the Host field says the same or nothing", () => {
  const head = accepted(["Host: B.test:81"]);
  expect(withAuthority(head, "b.Test:81")).toEqual({ ...head, host: "b.test", authority: "b.Test:81" });
  expect(withAuthority(accepted([], "1.0"), "b.test")).toMatchObject({ host: "b.test", authority: "b.test" });
  for (const authority of ["b.test", "b.test:82", "a.test:81", ""])
    expect(withAuthority(head, authority)).toMatchObject({ rule: "header:host", close: true });
});

test("the authority of an absolute target is read as strictly as a Host field", () => {
  for (const authority of ["u@b.test", "u:p@b.test", "b.test:99999", "b,test", ""])
    expect(withAuthority(accepted([], "1.0"), authority)).toMatchObject({
      code: "malformed_request",
      rule: "header:host",
    });
});

test("a request id that is not safe in logs and headers is as none", () => {
  for (const id of ["a b", "", "a".repeat(129), "a\u00e9", "a;b"])
    expect(accepted([`X-Request-Id: ${id}`]).requestId).toBeNull();
});

test.each<[what: string, lines: readonly string[], rule: string, version?: string]>([
  ["two hosts", ["Host: a.test", "host: a.test"], "header:duplicate"],
  ["two credentials", ["Authorization: a", "authorization: b"], "header:duplicate"],
  ["two keys", ["X-Api-Key: a", "x-api-key: b"], "header:duplicate"],
  ["two content types", ["Content-Type: a/b", "Content-Type: c/d"], "header:duplicate"],
  ["two equal lengths", ["Content-Length: 1", "Content-Length: 1"], "header:duplicate"],
  ["two codings", ["Transfer-Encoding: chunked", "Transfer-Encoding: chunked"], "header:duplicate"],
  ["two idempotency keys", ["Idempotency-Key: a", "Idempotency-Key: b"], "header:duplicate"],
  ["two request ids", ["X-Request-Id: a", "X-Request-Id: b"], "header:duplicate"],
  ["a length and a coding", ["Content-Length: 1", "Transfer-Encoding: chunked"], "framing:both"],
  ["a list of lengths", ["Content-Length: 1, 1"], "framing:length"],
  ["a signed length", ["Content-Length: +1"], "framing:length"],
  ["a negative length", ["Content-Length: -1"], "framing:length"],
  ["a length with a leading zero", ["Content-Length: 01"], "framing:length"],
  ["a hexadecimal length", ["Content-Length: 0x1"], "framing:length"],
  ["an empty length", ["Content-Length: "], "framing:length"],
  ["a length beyond counting", ["Content-Length: 9007199254740992"], "framing:length"],
  ["another coding", ["Transfer-Encoding: gzip"], "framing:coding"],
  ["two codings in a list", ["Transfer-Encoding: gzip, chunked"], "framing:coding"],
  ["a coding with an empty member", ["Transfer-Encoding: ,chunked"], "framing:coding"],
  ["identity", ["Transfer-Encoding: identity"], "framing:coding"],
  ["a coding with a vertical tab", ["Transfer-Encoding: \vchunked"], "header:control-character"],
  ["a coding in HTTP/1.0", ["Transfer-Encoding: chunked"], "framing:coding", "1.0"],
  ["an underscore", ["X_Thing: 1"], "header:underscore"],
  ["an underscore twin of a length", ["Content_Length: 1"], "header:underscore"],
  ["an underscore twin of an identity", ["X_Tollgate_Account: a"], "header:underscore"],
  ["a dotted twin of an identity", ["x.tollgate.account: a"], "header:twin"],
  ["a dotted twin of a forwarding header", ["X.Forwarded.For: a"], "header:twin"],
  ["a dotted twin of the length", ["Content.Length: 5"], "header:twin"],
  ["a dotted twin of the coding", ["Transfer.Encoding: chunked"], "header:twin"],
  ["a twin of an identity with other signs", ["X~Tollgate!Account: a"], "header:twin"],
  ["a NUL in a value", ["X-Thing: a\0b"], "header:control-character"],
  ["a bare CR in a value", ["X-Thing: a\rb"], "header:control-character"],
  ["a line feed in a value", ["X-Thing: a\nb"], "header:control-character"],
  ["DEL in a value", ["X-Thing: \x7f"], "header:control-character"],
  ["a Connection that names an identity", ["Connection: close, X-Tollgate-Account"], "header:connection"],
  ["a Connection that names one with underscores", ["Connection: x_tollgate_plan"], "header:connection"],
  ["a Connection that names the host", ["Connection: host"], "header:connection"],
  ["a Connection that names the credential", ["Connection: Authorization"], "header:connection"],
  ["a Connection that names the length", ["Connection: content-length"], "header:connection"],
  ["a Connection that names X-Forwarded-For", ["Connection: x-forwarded-for"], "header:connection"],
  ["a Connection in two lines that names one", ["Connection: close", "Connection: cookie"], "header:connection"],
  ["33 connection options", [`Connection: ${Array.from({ length: 33 }, (_, i) => `x${i}`).join(",")}`], "header:connection"],
])("%s is refused and ends the connection", (_what, lines, rule, version = "1.1") => {
  expect(read(lines, version)).toMatchObject({ code: "malformed_request", rule, close: true });
}); // biome-ignore format: one case a line

test.each(["BREW", "get", "TRACE", "TRACK", "CONNECT", "", "PROPFIND", "__proto__"])(
  "the method %j is refused",
  (method) => {
    expect(methodFault(method)).toMatchObject({ code: "method_not_allowed", close: true });
  },
);

test("an endless method is not repeated in the answer", () => {
  expect(methodFault("A".repeat(300))?.detail.length).toBeLessThan(60);
});

test("256 fields are enough, one more is too much", () => {
  const lines = (count: number) => Array.from({ length: count - 1 }, (_, index) => `x-${index}: 1`);
  expect(accepted(lines(256)).names).toHaveLength(256);
  expect(read(lines(257))).toMatchObject({ code: "headers_too_large", close: true });
});

test.each<readonly [lines: readonly string[], contentLength: number | null, chunked: boolean, body: boolean]>([
  [[], null, false, false],
  [["Content-Length: 0"], 0, false, false],
  [["Content-Length: 9007199254740991"], 9_007_199_254_740_991, false, true],
  [["Transfer-Encoding: chunked"], null, true, true],
  [["Transfer-Encoding: Chunked"], null, true, true],
])("the framing of %j", (lines, contentLength, chunked, body) => {
  const head = accepted(lines);
  expect(head).toMatchObject({ contentLength, chunked });
  expect(hasBody(head)).toBe(body);
});

test("connection options of all lines are gathered in lower case, the upgrade is named", () => {
  const head = accepted(["Connection: Keep-Alive, ,X-Mine", "Connection: upgrade", "Upgrade: websocket"]);
  expect([head.connectionOptions, head.upgrade]).toEqual([["keep-alive", "x-mine", "upgrade"], "websocket"]);
});

test("repeated fields that are lists, and bytes beyond ASCII in values, are let through", () => {
  const head = accepted(["Accept: a/b", "Accept: c/d", "Cookie: a=1", "Cookie: b=2", "X-Name: caf\xe9\t!"]);
  expect(head.names).toEqual(["host", "accept", "accept", "cookie", "cookie", "x-name"]);
});

test.each([
  [[], "1.1", "nothing", true],
  [["Connection: close"], "1.1", "nothing", false],
  [["Connection: x, Close"], "1.1", "nothing", false],
  [["Connection: keep-alive"], "1.1", "nothing", true],
  [[], "1.0", "nothing", false],
  [["Connection: Keep-Alive"], "1.0", "nothing", true],
  [["Connection: keep-alive, close"], "1.0", "nothing", false],
  [["Expect: 100-continue"], "1.1", "100-continue", true],
  [["Expect: 100-Continue"], "1.1", "100-continue", true],
  [["Expect: x 100-continue"], "1.1", "other", true],
  [["Expect: "], "1.1", "other", true],
  [["Expect: 100-continue"], "1.0", "nothing", false],
] as const)("%j of %s expects %s, and keeps the connection: %s", (lines, version, expects, keepsAlive) => {
  expect(accepted(lines, version)).toMatchObject({ expects, keepsAlive });
});
