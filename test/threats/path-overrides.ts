/** B18–B20: other places that would say path, method or caller. */
import { expect } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { get, getPrivate, keyOf, malformed, passed, refused } from "./expectations.ts";
import type { Row } from "./runner.ts";

const OVERRIDES = {
  "X-Original-URL": "/public/x",
  "X-Rewrite-URL": "/public/x",
  "X-Forwarded-Uri": "/public/x",
  "X-HTTP-Method-Override": "DELETE",
  "X-HTTP-Method": "DELETE",
  "X-Method-Override": "DELETE",
};

export const PATH_OVERRIDES: readonly Row[] = [
  {
    id: "B18",
    class: "path",
    name: "headers that would override path or method decide nothing, and the app never gets them",
    cases: (world) => {
      const lines = Object.entries(OVERRIDES).map(([name, value]) => `${name}: ${value}`);
      const absent = Object.keys(OVERRIDES).map((name) => name.toLowerCase());
      return [
        ...lines.map((line) => ({
          what: `${line}: nobody`,
          send: getPrivate(line),
          expect: refused(401, "route:private"),
        })),
        ...lines.map((line) => ({
          what: `${line}: not the boss`,
          send: get("/boss", line, keyOf(world)),
          expect: refused(403, "route:boss"),
        })),
        {
          what: "a method that the caller has no right to",
          send: get("/models/1", ...lines, keyOf(world)),
          expect: passed({ upstream: { absent } }),
        },
        { what: "all of them", send: getPrivate(...lines, keyOf(world)), expect: passed({ upstream: { absent } }) },
        {
          what: "of any case",
          send: getPrivate(...lines.map((line) => line.toUpperCase()), keyOf(world)),
          expect: passed({ upstream: { absent } }),
        },
      ];
    },
    story: async (world) => {
      const head = requestHead("GET", "/models/1", ["X-HTTP-Method-Override: DELETE", keyOf(world)]);
      await rawExchange(world.gateway.port, head, { responses: 1 });
      expect(world.upstream.last()).toMatchObject({ method: "GET", url: "/models/1" });
    },
  },
  {
    id: "B19",
    class: "path",
    name: "methods that nobody knows or the gateway does not serve are refused on every route",
    cases: (world) => {
      const ask = (method: string) => requestHead(method, "/private/x", [keyOf(world)]);
      return [
        ...[
          "BREW",
          "get",
          "Get",
          "GE T",
          "G\tET",
          "GET\0",
          "G@T",
          "X".repeat(300),
          "X".repeat(40_000),
          "TRACK",
          "GETX",
          "",
          "🍵",
        ].map((method) => ({
          what: method.slice(0, 20),
          send: Buffer.from(ask(method)),
          expect: malformed("http:syntax"),
        })),
        ...["TRACE", "PROPFIND", "LINK", "PURGE", "SEARCH", "M-SEARCH"].map((method) => ({
          what: method,
          send: ask(method),
          expect: refused(405, "method:unknown", {
            close: true,
            response: { equals: { allow: "GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS" } },
          }),
        })),
        {
          what: "one the route does not take",
          send: requestHead("PUT", "/models/1", [keyOf(world)]),
          expect: refused(405, "route:method"),
        },
      ];
    },
  },
  {
    id: "B20",
    class: "path",
    name: "a query is passed on as it is and decides nothing; a credential in it is refused, and never logged",
    cases: (world) => {
      const { key } = world.acme;
      const query = refused(400, "credential:query");
      return [
        ...[`api_key=${key}`, `api_key=${key}&api_key=${world.globex.key}`, `a=1&apikey=${key}`, `API_KEY=${key}`].map(
          (text) => ({ what: text.split("=")[0] ?? "", send: get(`/private/x?${text}`), expect: query }),
        ),
        {
          what: "by a name that is escaped",
          send: get(`/private/x?api%5fkey=${key}`),
          expect: refused(401, "route:private"),
        },
        { what: "next to a header", send: get(`/private/x?api_key=${key}`, keyOf(world)), expect: query },
        { what: "of an unknown path", send: get(`/nowhere?api_key=${key}`), expect: refused(404, "route:none") },
        { what: "of a broken path", send: get(`/%zz?api_key=${key}`), expect: malformed("target:escape") },
        { what: "of no HTTP", send: get(`/private/x?api_key=${key} x`), expect: malformed("http:syntax") },
        {
          what: "plan=free&plan=pro",
          send: get("/private/x?plan=free&plan=pro", keyOf(world)),
          expect: passed({ upstream: { equals: { "x-tollgate-plan": "free" } } }),
        },
      ];
    },
    story: async (world) => {
      expect(world.upstream.last().url).toBe("/private/x?plan=free&plan=pro");
      expect(world.gateway.output()).toContain("credential:query");
      for (const { key } of [world.acme, world.globex]) expect(world.gateway.output()).not.toContain(key);
    },
  },
];
