/** What an upstream gets: the client's own fields in their order, nothing hop-by-hop, and only the gateway's word on who calls. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isRefusal, type Passage } from "#data-plane/exchange.ts";
import { upstreamRequestHeaders } from "#data-plane/upstream/request-headers.ts";
import { type Asked, passageOf, principal } from "#test/data-plane/passage-of.ts";

function passage(asked: Asked): Passage {
  const made = passageOf(asked);
  if (isRefusal(made)) throw new Error(`Refused by ${made.rule}`);
  return made;
}

function forwarded(asked: Asked): readonly (readonly [string, string])[] {
  return pairs(upstreamRequestHeaders(passage(asked), "app.test:9000"));
}

function pairs(raw: readonly string[]): readonly (readonly [string, string])[] {
  return Array.from({ length: raw.length / 2 }, (_, index) => [raw[2 * index] ?? "", raw[2 * index + 1] ?? ""]);
}

function valuesOf(headers: readonly (readonly [string, string])[], name: string): readonly string[] {
  return headers.filter(([key]) => key.toLowerCase() === name).map(([, value]) => value);
}

const HOP_BY_HOP = [
  "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authenticate", "Proxy-Authorization", "TE", "Trailer", "Upgrade", "HTTP2-Settings",
]; // biome-ignore format: a list
const IDENTITY = [
  "X-Tollgate-Account", "X-Tollgate-User", "X-Tollgate-Roles", "X-Tollgate-Plan", "X-Tollgate-Key-Id", "X-Tollgate-Scope", "X-Tollgate-New",
  "X-Consumer-Id", "X-Consumer-Username", "X-User-Id", "X-Credential-Identifier", "X-Authenticated-UserId", "X-Anonymous-Consumer",
]; // biome-ignore format: a list
const ADDRESSING = [
  "Forwarded", "X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host", "X-Forwarded-Port", "X-Forwarded-Prefix", "X-Real-IP",
  "True-Client-IP", "CF-Connecting-IP", "X-Original-URL", "X-Rewrite-URL", "X-HTTP-Method-Override", "X-Method-Override",
]; // biome-ignore format: a list
const HARMLESS = [
  "Accept",
  "Accept-Language",
  "Cookie",
  "X-Custom",
  "If-None-Match",
  "User-Agent",
  "X-User-Agent",
  "Content-Language",
];

/** The same name in any case. */
function anyCase(names: readonly string[]): fc.Arbitrary<string> {
  return fc
    .tuple(fc.constantFrom(...names), fc.infiniteStream(fc.boolean()))
    .map(([name, flips]) =>
      [...name].map((letter) => (flips.next().value === true ? letter.toUpperCase() : letter.toLowerCase())).join(""),
    );
}

const FORGED = "forged";
const forgedField = anyCase([...HOP_BY_HOP, ...IDENTITY, ...ADDRESSING, "X-Request-Id"]).map(
  (name): [string, string] => [name, FORGED],
);
const harmlessField = fc.tuple(
  fc.constantFrom(...HARMLESS),
  fc.stringMatching(/^[ -~]{0,12}$/).map((text) => `own ${text}`),
);
const connection = anyCase(["Keep-Alive", "Close", "X-Custom", "Accept", "X-Unknown", "Upgrade", "TE"]).map(
  (name): [string, string] => ["Connection", name],
);
const fields = fc.array(fc.oneof(forgedField, forgedField, harmlessField, connection), { maxLength: 14 });

test("no hop-by-hop, identity or forwarding header of the client survives, whatever its case; its own fields do, in order", () => {
  let forwards = 0;
  fc.assert(
    fc.property(
      fields,
      fc.boolean(),
      fc.constantFrom("192.0.2.1", "::ffff:198.51.100.7"),
      (list, known, peerAddress) => {
        const rawHeaders = ["Host", "a.test", ...list.flat()];
        const made = passageOf({ rawHeaders, peerAddress, principal: known ? principal() : null });
        if (isRefusal(made)) return;
        forwards++;
        const headers = pairs(upstreamRequestHeaders(made, "app.test:9000"));
        expect(headers.filter(([, value]) => value.includes(FORGED))).toEqual([]);
        const hopByHop = new Set(HOP_BY_HOP.map((name) => name.toLowerCase()));
        expect(headers.filter(([name]) => hopByHop.has(name.toLowerCase()))).toEqual([]);
        const named = new Set(
          list.filter(([name]) => name.toLowerCase() === "connection").map(([, value]) => value.toLowerCase()),
        );
        const own = list.filter(([name, value]) => value.startsWith("own ") && !named.has(name.toLowerCase()));
        expect(headers.filter(([, value]) => value.startsWith("own "))).toEqual(own);
        expect(valuesOf(headers, "x-tollgate-account")).toEqual(known ? ["ext-1"] : []);
        expect(valuesOf(headers, "x-request-id")).toEqual(["req_mine"]);
        expect(valuesOf(headers, "host")).toEqual(["a.test"]);
      },
    ),
    { numRuns: 1_000 },
  );
  expect(forwards).toBeGreaterThan(200);
});

test("a principal is told in full, an anonymous caller not at all", () => {
  const identity = (asked: Asked) => forwarded(asked).filter(([name]) => name.startsWith("x-tollgate-"));
  expect(identity({ rawHeaders: ["Host", "a.test"], principal: principal() })).toEqual([
    ["x-tollgate-account", "ext-1"],
    ["x-tollgate-user", "u1"],
    ["x-tollgate-roles", "Admin,User"],
    ["x-tollgate-plan", "default"],
    ["x-tollgate-key-id", "key_1"],
    ["x-tollgate-scope", "read write"],
  ]);
  const bare = principal({ user: null, roles: [], scopes: null, keyId: null });
  expect(identity({ rawHeaders: ["Host", "a.test"], principal: bare }).map(([name]) => name)).toEqual([
    "x-tollgate-account",
    "x-tollgate-plan",
  ]);
  expect(identity({ rawHeaders: ["Host", "a.test"] })).toEqual([]);
});

test.each([
  ["Zoë", "Zo%C3%AB"],
  ["a\r\nX-Tollgate-Plan: pro", "a%0D%0AX-Tollgate-Plan%3A%20pro"],
  ["100%", "100%25"],
  ["a b:c@d", "a b:c@d"],
  ["\u0000", "%00"],
])("the user %j is sent as %s", (user, sent) => {
  const headers = forwarded({ rawHeaders: ["Host", "a.test"], principal: principal({ user }) });
  expect(valuesOf(headers, "x-tollgate-user")).toEqual([sent]);
});

test.each([
  [["User", "a\ud800"], "User,a%EF%BF%BD"],
  [["User,Admin"], "User%2CAdmin"],
  [["User", "two words", "Zoë,x"], "User,two words,Zo%C3%AB%2Cx"],
])("the roles %j are sent as %s: never more of them than there are", (roles, sent) => {
  const headers = forwarded({ rawHeaders: ["Host", "a.test"], principal: principal({ roles }) });
  expect(valuesOf(headers, "x-tollgate-roles")).toEqual([sent]);
});

test("a scope with a space in it is not sent as two", () => {
  const headers = forwarded({
    rawHeaders: ["Host", "a.test"],
    principal: principal({ scopes: ["read", "write all"] }),
  });
  expect(valuesOf(headers, "x-tollgate-scope")).toEqual(["read write%20all"]);
});

test("the credential stays with the gateway, unless the upstream is to have it", () => {
  for (const name of ["Authorization", "X-API-KEY", "authorization"]) {
    const rawHeaders = ["Host", "a.test", name, "secret"];
    const sent = (target: string, who: Asked["principal"]) =>
      valuesOf(forwarded({ rawHeaders, target, principal: who ?? null }), name.toLowerCase());
    expect(sent("/strip/x", principal())).toEqual([]);
    expect(sent("/pass/x", principal())).toEqual(["secret"]);
    // Nobody identified by it: it is none of the gateway's business.
    expect(sent("/strip/x", null)).toEqual(["secret"]);
  }
});

test("the host is the client's, or the target's where the file says so", () => {
  const host = (target: string) => valuesOf(forwarded({ rawHeaders: ["Host", "A.test:81"], target }), "host");
  expect([host("/strip/x"), host("/target/x")]).toEqual([["A.test:81"], ["app.test:9000"]]);
});

test("a trace is continued, or begun where there is none", () => {
  const trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
  const sent = (...more: readonly string[]) =>
    valuesOf(forwarded({ rawHeaders: ["Host", "a.test", ...more] }), "traceparent");
  expect(sent("TraceParent", trace)).toEqual([trace]);
  expect(sent()).toEqual([expect.stringMatching(/^00-[0-9a-f]{32}-[0-9a-f]{16}-00$/)]);
});
