/** C07–C10, C13: where credentials may stand, what becomes of them, and what an answer gives away. */
import { bearer, get, getPrivate, malformed, passed, refused } from "./expectations.ts";
import type { Row } from "./runner.ts";
import type { World } from "./world.ts";

export const IDENTITY_CREDENTIALS: readonly Row[] = [
  {
    id: "C07",
    class: "identity",
    name: "two credentials are refused, whoever they belong to; the first never wins",
    cases: ({ acme, globex, token }) => {
      const twice = malformed("header:duplicate");
      const places = refused(400, "credential:two-places");
      const query = refused(400, "credential:query");
      return [
        { what: "two Authorization headers", send: getPrivate(bearer(token()), bearer(globex.key)), expect: twice },
        { what: "the same one twice", send: getPrivate(bearer(acme.key), bearer(acme.key)), expect: twice },
        {
          what: "two X-Api-Key",
          send: getPrivate(`X-Api-Key: ${acme.key}`, `x-api-key: ${globex.key}`),
          expect: twice,
        },
        {
          what: "Authorization and X-Api-Key",
          send: getPrivate(bearer(token()), `X-Api-Key: ${globex.key}`),
          expect: places,
        },
        {
          what: "Basic and X-Api-Key",
          send: getPrivate(`X-Api-Key: ${acme.key}`, "Authorization: Basic eDp5"),
          expect: /^credential:(two-places|scheme)$/,
        },
        { what: "header and query", send: get(`/private/x?api_key=${globex.key}`, bearer(acme.key)), expect: query },
        { what: "query alone", send: get(`/private/x?apiKey=${acme.key}`), expect: query },
        { what: "token in the query", send: get(`/private/x?a=1&access_token=${token()}`), expect: query },
        {
          what: "all three",
          send: get(`/private/x?api_key=${globex.key}`, bearer(token()), `X-Api-Key: ${acme.key}`),
          expect: query,
        },
      ].map(({ expect, ...rest }) => ({ ...rest, expect: expect instanceof RegExp ? refused(400, expect) : expect }));
    },
  },
  {
    id: "C08",
    class: "identity",
    name: "headers that mean something only once are refused when they come twice",
    cases: ({ acme }) =>
      [
        "Content-Type",
        "Stripe-Signature",
        "Idempotency-Key",
        "Range",
        "Content-Encoding",
        "User-Agent",
        "X-Request-Id",
      ].map((name) => ({
        what: name,
        send: getPrivate(`${name}: a`, `${name.toLowerCase()}: a`, `X-Api-Key: ${acme.key}`),
        expect: malformed("header:duplicate"),
      })),
  },
  {
    id: "C09",
    class: "identity",
    name: "roles never come from a request header, one value or many; those of a token are taken one by one",
    cases: ({ acme, token }) => {
      const asRoles = (...headers: readonly string[]) => get("/boss", ...headers, `X-Api-Key: ${acme.key}`);
      const denied = refused(403, "route:boss");
      return [
        { what: "one header", send: asRoles("X-Role: Admin"), expect: denied },
        { what: "a list", send: asRoles("X-Role: User,Admin", "Role: Admin", "Roles: Admin"), expect: denied },
        { what: "two lines", send: asRoles("X-Role: User", "X-Role: Admin"), expect: denied },
        { what: "the gateway's own", send: asRoles("X-Tollgate-Roles: Admin", "X-Tollgate-Scope: *"), expect: denied },
        {
          what: "a list in one role",
          send: get("/boss", bearer(token({ claims: { role: ["User,Admin"] } }))),
          expect: denied,
        },
        {
          what: "a role by another case",
          send: get("/boss", bearer(token({ claims: { role: ["admin"] } }))),
          expect: denied,
        },
        {
          what: "a role inside an object",
          send: get("/boss", bearer(token({ claims: { role: { Admin: true } } }))),
          expect: denied,
        },
        {
          what: "really one of them",
          send: get("/boss", bearer(token({ claims: { role: ["User", "Admin"] } }))),
          expect: passed(),
        },
      ];
    },
  },
  {
    id: "C10",
    class: "identity",
    name: "the caller's credential ends at the gateway; an upstream may be trusted with it, and cookies are the app's own",
    cases: ({ acme, token }) => {
      const stripped = (what: string, ...headers: readonly string[]) => ({
        what,
        send: getPrivate("Cookie: session=1", "Proxy-Authorization: Basic eA==", ...headers),
        expect: passed({
          upstream: { equals: { cookie: "session=1" }, absent: ["authorization", "x-api-key", "proxy-authorization"] },
        }),
      });
      const secret = token();
      return [
        stripped("a token", bearer(secret)),
        stripped("a key as bearer", bearer(acme.key)),
        stripped("a key of its own header", `X-Api-Key: ${acme.key}`),
        {
          what: "credentials: pass",
          send: get("/passing/x", bearer(secret)),
          expect: passed({ upstream: { equals: { authorization: `Bearer ${secret}` } } }),
        },
      ];
    },
  },
  {
    id: "C13",
    class: "identity",
    name: "refusals name no secret, no stack, no file and no upstream",
    cases: (world) => leakCases(world),
  },
];

function leakCases({ acme, upstream, jwks, gateway, token }: World) {
  const stranger = `${acme.key.slice(0, -1)}${acme.key.endsWith("0") ? "1" : "0"}`;
  const stale = token({ claims: { exp: 1_000_000_000 } });
  const lacks = [
    acme.key,
    stranger,
    stale,
    stale.slice(0, 40),
    `:${upstream.port}`,
    jwks.url,
    gateway.dir,
    "node:",
    ".ts:",
    "    at ",
    "Error:",
    "sqlite",
  ];
  const body = { lacks };
  const challenge = 'Bearer realm="tollgate"';
  const error = (words: string) => `${challenge}, error="invalid_token", error_description="${words}"`;
  const says = (value: string) => ({
    response: { equals: { "www-authenticate": value, "cache-control": "no-store" } },
  });
  return [
    { what: "none", send: getPrivate(), expect: refused(401, "route:private", { body, ...says(challenge) }) },
    {
      what: "a wrong key",
      send: getPrivate(bearer(stranger)),
      expect: refused(401, "key:format", { body, ...says(error("Text is no API key of this gateway")) }),
    },
    {
      what: "an old token",
      send: getPrivate(bearer(stale)),
      expect: refused(401, "token:exp", { body, ...says(error("Token has expired")) }),
    },
    {
      what: "garbage",
      send: getPrivate('Authorization: Bearer "<script>\\'),
      expect: refused(401, /^token:/, { body }),
    },
    {
      what: "403",
      send: get("/boss", bearer(acme.key)),
      expect: refused(403, "route:boss", { body, response: { absent: ["www-authenticate"] } }),
    },
    {
      what: "403 of a tenant",
      send: get("/tenants/globex/x", bearer(acme.key)),
      expect: refused(403, "route:tenant", { body: { lacks: [...lacks, "acme"] } }),
    },
    {
      what: "404",
      send: get("/private", bearer(acme.key)).replace("/private", "/nowhere"),
      expect: refused(404, "route:none", { body }),
    },
  ];
}
