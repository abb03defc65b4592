/** I01, I02, I04: keys that are nearly right, keys that are SQL, and keys of somebody else. */
import { readdirSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { expect } from "vitest";
import { newKey, STANDARD_FORMAT } from "#core/key-format.ts";
import { requestHead } from "#test/support/raw.ts";
import { answered, bearer, get, getPrivate, malformed, passed, refused } from "./expectations.ts";
import { type Case, type Row, runCases } from "./runner.ts";
import type { World } from "./world.ts";

export const APIKEY: readonly Row[] = [
  {
    id: "I01",
    class: "apikey",
    name: "a key in the wrong place, case, length or alphabet is no key; control characters are refused with the whole request",
    cases: ({ acme }) => [...wrongPlaces(acme.key), ...wrongTexts(acme.key)],
  },
  {
    id: "I02",
    class: "apikey",
    name: "SQL in place of a credential or an id finds nothing and changes nothing",
    cases: ({ acme, token }) => {
      const sql = [
        "' OR '1'='1",
        "' OR 1=1 --",
        "x'; DROP TABLE api_keys; --",
        '" OR ""="',
        "1 UNION SELECT hash FROM api_keys",
      ];
      const ids = ["' OR '1'='1", "%' --", "key_%"].map(encodeURIComponent);
      return [
        ...sql.map((text) => ({
          what: `bearer ${text}`,
          send: getPrivate(bearer(text)),
          expect: refused(401, "token:form"),
        })),
        ...sql.map((text) => ({
          what: `key ${text}`,
          send: getPrivate(`X-Api-Key: ${text}`),
          expect: refused(401, "key:format"),
        })),
        ...sql.map((text) => ({
          what: `with the brand ${text}`,
          send: getPrivate(bearer(`tg_sk_live_${text}`)),
          expect: refused(401, "key:format"),
        })),
        ...ids.map((id) => ({
          what: `id ${id}`,
          send: requestHead("DELETE", `/_tollgate/api-keys/${id}`, [bearer(acme.key)]),
          expect: answered(404),
        })),
        {
          what: "as an account of a token",
          send: getPrivate(bearer(token({ claims: { project: "' OR '1'='1" } }))),
          expect: passed(),
        },
        { what: "nothing is gone", send: getPrivate(bearer(acme.key)), expect: passed() },
      ];
    },
    story: async () => {
      const sources = sourceFiles().filter((text) => /\b(kysely|better-sqlite3)\b/.test(text));
      expect(sources.length).toBeGreaterThan(0);
      // SQL is written by the query builder, or stands there as it is: no value is ever part of its text.
      expect(sources.filter(buildsSql)).toEqual([]);
      expect(buildsSql('sql.raw("SELECT 1")')).toBe(true);
      expect(buildsSql("db.prepare(`SELECT ${id}`)")).toBe(true);
    },
  },
  {
    id: "I04",
    class: "apikey",
    name: "a key of one tenant opens nothing of another, by path, by id or by query",
    cases: (world) => foreignCases(world),
    story: async (world) => {
      const { acme, globex, admin } = world;
      await admin.call("PUT", "/admin/resources/things/42", { account: globex.externalId });
      await admin.call("PUT", "/admin/resources/things/abc", { account: globex.externalId });
      const [mine, theirs] = [bearer(acme.key), bearer(globex.key)];
      const to = (method: string, id: string, line: string) => requestHead(method, `/things/${id}`, [line]);
      const spellings = [
        "42",
        "%34%32",
        "042",
        "42.0",
        "+42",
        "%2042",
        "42-a-title",
        "42%0A",
        "%EF%BC%942",
        "abc",
        "ABC",
        "Abc",
      ];
      await runCases(world, [
        { what: "their own thing", send: to("GET", "42", theirs), expect: passed() },
        { what: "nobody's thing", send: to("GET", "43", mine), expect: passed() },
        ...["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"].map((method) => ({
          what: `${method} of their thing`,
          send: to(method, "42", mine),
          expect: refused(404, "resource:things"),
        })),
        ...spellings.map((id) => ({
          what: `their thing as ${id}`,
          send: to("GET", id, mine),
          expect: refused(id.includes("%0A") ? 400 : 404, id.includes("%0A") ? "target:escape" : "resource:things"),
        })),
      ]);
    },
  },
];

function wrongPlaces(key: string): readonly Case[] {
  const missing = refused(401, "route:private");
  return [
    ...["X-Apikey", "Api-Key", "X-Auth-Token", "X-Access-Token", "Proxy-Authorization"].map((name) => ({
      what: name,
      send: getPrivate(`${name}: ${key}`),
      expect: missing,
    })),
    { what: "cookie", send: getPrivate(`Cookie: key=${key}; authorization=Bearer ${key}`), expect: missing },
    ...["Basic", "Token", "Key", "Bearer,", "Digest"].map((scheme) => ({
      what: scheme,
      send: getPrivate(`Authorization: ${scheme} ${key}`),
      expect: refused(401, "credential:scheme"),
    })),
    { what: "no scheme", send: getPrivate(`Authorization: ${key}`), expect: refused(401, "credential:scheme") },
    { what: "empty", send: getPrivate("Authorization: "), expect: refused(401, "credential:scheme") },
    { what: "scheme alone", send: getPrivate("Authorization: Bearer"), expect: refused(401, "credential:scheme") },
    { what: "a route of tokens only", send: get("/tokens/x", bearer(key)), expect: refused(401, "route:tokens") },
    { what: "any case of header and scheme", send: getPrivate(`AUTHORIZATION: bEARER ${key}`), expect: passed() },
  ];
}

function wrongTexts(key: string): readonly Case[] {
  const texts = {
    "upper case": key.toUpperCase(),
    "lower case": key.toLowerCase(),
    "a blank inside": `${key.slice(0, 20)} ${key.slice(20)}`,
    quotes: `"${key}"`,
    twice: `${key},${key}`,
    "scheme twice": `Bearer ${key}`,
    "one character less": key.slice(0, -1),
    "one more": `${key}A`,
    "other environment": key.replace("_live_", "_test_"),
    "other brand": key.replace("tg_", "ak_"),
    "a homoglyph": key.replace("e", "\u00d0\u00b5"),
    "full width": key.replace("s", "\u00ef\u00bd\u0093"),
    accent: key.replace("e", "\u00e9"),
    "a tab inside": `${key.slice(0, 20)}\t${key.slice(20)}`,
    escaped: key.replace("_", "%5F"),
    "10 KiB": key.padEnd(10_240, "A"),
    nothing: "",
  };
  return [
    ...Object.entries(texts).map(([what, text]) => ({
      what,
      send: getPrivate(`X-Api-Key: ${text}`),
      expect: refused(401, "key:format"),
    })),
    {
      what: "well formed and unknown",
      send: getPrivate(`X-Api-Key: ${newKey(STANDARD_FORMAT, "live")}`),
      expect: refused(401, "key:unknown"),
    },
    {
      what: "NUL: stricter, the request is malformed",
      send: getPrivate(`X-Api-Key: ${key}\0`),
      expect: malformed("http:syntax"),
    },
    {
      what: "20 KiB: stricter, the header section is too large",
      send: getPrivate(`X-Api-Key: ${key.padEnd(20_480, "A")}`),
      expect: refused(431, "limit:headers", { close: true }),
    },
    { what: "blanks around it are HTTP's, not the key's", send: getPrivate(`X-Api-Key:  ${key} `), expect: passed() },
  ];
}

function foreignCases({ acme, globex }: World): readonly Case[] {
  const mine = bearer(acme.key);
  const lacks = { body: { lacks: [globex.id, globex.keyId, globex.key] } };
  const own = (path: string) => get(`/_tollgate${path}`, mine);
  const mismatch = refused(403, "route:tenant");
  return [
    { what: "own path", send: get("/tenants/acme/x", mine), expect: passed() },
    { what: "their path", send: get("/tenants/globex/x", mine), expect: mismatch },
    { what: "escaped", send: get("/tenants/%67lobex/x", mine), expect: mismatch },
    { what: "through dots", send: get("/tenants/acme/../globex/x", mine), expect: mismatch },
    { what: "through escaped dots", send: get("/tenants/acme/%2e%2e/globex/x", mine), expect: mismatch },
    {
      what: "through an escaped slash",
      send: get("/tenants/acme%2f..%2fglobex/x", mine),
      expect: malformed("target:escape"),
    },
    { what: "another case", send: get("/tenants/ACME/x", mine), expect: mismatch },
    { what: "our own id is not what the app knows", send: get(`/tenants/${acme.id}/x`, mine), expect: mismatch },
    ...foreignNames(mine),
    { what: "their usage by our id", send: own(`/billing/usage?account=${globex.id}`), expect: answered(404, lacks) },
    { what: "their usage by their id", send: own("/billing/usage?account=globex"), expect: answered(404, lacks) },
    {
      what: "a parameter that means nothing",
      send: own("/billing/usage?consumer=globex"),
      expect: answered(200, lacks),
    },
    { what: "both accounts", send: own("/billing/usage?account=acme&account=globex"), expect: answered(200, lacks) },
    { what: "list of keys", send: own("/api-keys"), expect: answered(200, lacks) },
    { what: "list from their cursor", send: own(`/api-keys?cursor=${globex.keyId}`), expect: answered(400, lacks) },
    { what: "list of theirs", send: own(`/api-keys?account=${globex.id}`), expect: answered(404, lacks) },
    {
      what: "revoking theirs",
      send: requestHead("DELETE", `/_tollgate/api-keys/${globex.keyId}`, [mine]),
      expect: answered(404),
    },
    { what: "which still works", send: getPrivate(bearer(globex.key)), expect: passed() },
    {
      what: "as the gateway's own header",
      send: get("/_tollgate/billing/usage", mine, `X-Tollgate-Account: ${globex.id}`),
      expect: answered(200, lacks),
    },
  ];
}

/** Their name where a rule looks at the query or at a header: once, or twice in the hope that the app reads the other one. */
function foreignNames(mine: string): readonly Case[] {
  const twice = refused(400, "query:consumer");
  return [
    { what: "own query", send: get("/usage?consumer=acme", mine), expect: passed() },
    { what: "their query", send: get("/usage?consumer=globex", mine), expect: refused(403, "route:usage") },
    { what: "no query", send: get("/usage", mine), expect: refused(403, "route:usage") },
    ...[
      "consumer=acme&consumer=globex",
      "consumer=globex&consumer=acme",
      "consumer=acme&Consumer=globex",
      "consumer=acme&%63onsumer=globex",
      "consumer=acme&consumer[]=globex",
      "consumer=acme;consumer=globex",
      "consumer=acme&consumer%00=globex",
    ].map((query) => ({ what: query, send: get(`/usage?${query}`, mine), expect: twice })),
    { what: "own header", send: get("/reports", mine, "X-Org: acme"), expect: passed() },
    { what: "their header", send: get("/reports", mine, "X-Org: globex"), expect: refused(403, "route:reports") },
    {
      what: "both headers",
      send: get("/reports", mine, "X-Org: acme", "X-Org: globex"),
      expect: refused(400, "header:x-org"),
    },
    {
      what: "a header that is not passed on",
      send: get("/reports", mine, "X-Org: acme", "Connection: x-org"),
      expect: refused(400, "header:x-org"),
    },
  ];
}

/** Files that put statements together from constants of their own (columns, words of a closed set), looked at one by one. */
const REVIEWED: readonly string[] = ["event-store.ts", "sessions.ts", "usage-windows.ts"];

function sourceFiles(): readonly string[] {
  const root = join(import.meta.dirname, "..", "..", "src");
  return readdirSync(root, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts") && !REVIEWED.includes(basename(name)))
    .map((name) => readFileSync(join(root, name), "utf8"));
}

function buildsSql(text: string): boolean {
  return /\bsql\.raw\b|\b(?:prepare|exec)\(`[^`]*\$\{/.test(text);
}
