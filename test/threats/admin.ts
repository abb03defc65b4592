/** K01: the admin API is where it is and nowhere else, and every spelling of it wants the token. */
import { expect } from "vitest";
import { requestHead } from "#test/support/raw.ts";
import { settingsOf } from "../config/faults-of.ts";
import { answered, bearer, get, malformed, refused } from "./expectations.ts";
import type { Case, LoneRow, Row } from "./runner.ts";
import { ADMIN_TOKEN } from "./world-config.ts";
import type { World } from "./world.ts";

const ADMIN_PATHS = [
  "/admin/accounts",
  "/admin/keys",
  "/admin/usage",
  "/admin/key-sets",
  "/admin/accounts/x",
  "/admin/accounts/x/usage",
];

/** Ways to write `/admin/accounts` that a router or a proxy may read as the same. */
const SPELLINGS = [
  "/%61dmin/accounts",
  "/admin%2faccounts",
  "/ADMIN/accounts",
  "//admin/accounts",
  "/./admin/accounts",
  "/x/../admin/accounts",
  "/admin;x/accounts",
  "/admin/accounts/",
  "/admin/accounts?x=1",
  "/_tollgate/admin/accounts",
  "/_tollgate/%61dmin/accounts",
  "/_tollgate//admin/accounts",
  "/_tollgate/../admin/accounts",
  "/admin\\accounts",
  "http://127.0.0.1/admin/accounts",
  "http://x/%61dmin/accounts",
  "http://admin@x/admin/accounts",
];

export const ADMIN: readonly Row[] = [
  {
    id: "K01",
    class: "admin",
    name: "the traffic listener leads to no admin endpoint, by path, Host, absolute target or CONNECT",
    cases: (world) => throughTraffic(world),
  },
  {
    id: "K01",
    class: "admin",
    name: "the admin listener answers no spelling of an admin path without the token",
    cases: () => withoutToken(),
    story: async ({ admin, acme, globex }) => {
      const answer = await admin.call("GET", "/admin/accounts");
      expect(answer).toMatchObject({ data: [{ id: acme.id }, { id: globex.id }] });
    },
  },
];

export const ADMIN_DEFAULTS: readonly LoneRow[] = [
  {
    id: "K01",
    class: "admin",
    name: "unless configured otherwise the admin listener is on loopback, apart from the traffic",
    proof: () => {
      const { server } = settingsOf("version: 1\nupstreams: {}\nroutes: []\nplans: { free: { default: true } }\n");
      expect(server.admin).toEqual({ host: "127.0.0.1", port: 8081 });
      expect(server.listen.port).not.toBe(server.admin?.port);
    },
  },
];

function throughTraffic({ gateway, acme }: World): readonly Case[] {
  const { host } = new URL(gateway.adminUrl ?? "");
  const mine = bearer(acme.key);
  const theirs = bearer(ADMIN_TOKEN);
  const none = refused(404, "route:none");
  const refusal = /^(route:none|target:.*|header:host)$/;
  const anyRefusal = (status: number) => refused(status, refusal);
  return [
    ...ADMIN_PATHS.flatMap((path) => [
      { what: path, send: get(path, theirs), expect: none },
      { what: `${path} by Host`, send: get(path, `Host: ${host}`, mine), expect: none },
      { what: `${path} below the prefix`, send: get(`/_tollgate${path}`, theirs), expect: none },
      { what: `${path} as absolute target`, send: get(`http://${host}${path}`, `Host: ${host}`, theirs), expect: none },
    ]),
    { what: "metrics", send: get("/metrics", theirs), expect: none },
    { what: "metrics below the prefix", send: get("/_tollgate/metrics", theirs), expect: none },
    ...SPELLINGS.map((path) => {
      const isBad = /%2f|\/\/admin|\/;|\\|@/.test(path);
      const authority = /^http:\/\/([^/]+)/.exec(path)?.[1];
      const asked = authority === undefined ? [theirs] : [`Host: ${authority}`, theirs];
      return { what: path, send: get(path, ...asked), expect: isBad ? anyRefusal(400) : anyRefusal(404) };
    }),
    {
      what: "an absolute target of another host than Host",
      send: get("http://other.test/private/x", mine),
      expect: malformed("header:host"),
    },
    {
      what: "an absolute target of another scheme",
      send: get(`ftp://${host}/admin/accounts`, theirs),
      expect: malformed(/^(target:form|http:syntax)$/),
    },
  ];
}

/** 401, or 404 where the spelling names nothing; never the list. */
function withoutToken(): readonly Case[] {
  const matches = new Set([
    "/%61dmin/accounts",
    "/admin/accounts/",
    "/admin/accounts?x=1",
    "/_tollgate/admin/accounts",
    "/_tollgate/%61dmin/accounts",
    "http://127.0.0.1/admin/accounts",
    "http://x/%61dmin/accounts",
    "http://admin@x/admin/accounts",
  ]);
  const lacks = { body: { lacks: ["acme", "globex", '"data"'] } };
  const ask = (path: string, ...headers: readonly string[]) => ({
    what: `${path} ${headers.join()}`,
    to: "admin" as const,
    send: get(path, ...headers),
  });
  const wrong = [
    "Authorization: Bearer",
    "Authorization: Bearer x",
    `Authorization: Bearer ${ADMIN_TOKEN}x`,
    `Authorization: Bearer ${ADMIN_TOKEN.toUpperCase()}`,
    `Authorization: Basic ${ADMIN_TOKEN}`,
    `X-Api-Key: ${ADMIN_TOKEN}`,
    `Cookie: token=${ADMIN_TOKEN}`,
    "X-Forwarded-For: 127.0.0.1",
    "X-Tollgate-Account: admin",
  ];
  return [
    ...ADMIN_PATHS.map((path) => ({ ...ask(path), expect: answered(401, lacks) })),
    ...wrong.map((header) => ({ ...ask("/admin/accounts", header), expect: answered(401, lacks) })),
    ...SPELLINGS.map((path) => ({ ...ask(path), expect: answered(matches.has(path) ? 401 : 404, lacks) })),
    {
      what: "POST",
      to: "admin" as const,
      send: requestHead("POST", "/%61dmin/accounts", ["Content-Length: 0"]),
      expect: answered(401, lacks),
    },
    {
      what: "DELETE",
      to: "admin" as const,
      send: requestHead("DELETE", "http://x/admin/keys/key_1"),
      expect: answered(401, lacks),
    },
    {
      what: "OPTIONS",
      to: "admin" as const,
      send: requestHead("OPTIONS", "/admin/accounts"),
      expect: answered(404, lacks),
    },
    {
      what: "HEAD",
      to: "admin" as const,
      send: requestHead("HEAD", "/admin/accounts"),
      expect: answered(401, { close: false }),
    },
    { ...ask("/admin/accounts", bearer(ADMIN_TOKEN)), expect: answered(200) },
  ];
}
