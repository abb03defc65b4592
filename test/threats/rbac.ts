/** I05, I06: what nobody allowed, and where roles come from. */
import { expect } from "vitest";
import { requestHead } from "#test/support/raw.ts";
import { bearer, get, malformed, passed, refused } from "./expectations.ts";
import { type Case, type Row, runCases } from "./runner.ts";

export const RBAC: readonly Row[] = [
  {
    id: "I05",
    class: "rbac",
    name: "what no rule allows is denied: path, method and permission",
    cases: ({ acme, token }) => {
      const mine = bearer(acme.key);
      const to = (method: string, target: string, ...headers: readonly string[]) =>
        requestHead(method, target, [mine, ...headers]);
      const none = refused(404, "route:none");
      const method = refused(405, "route:method", { response: { equals: { allow: "DELETE, GET, HEAD" } } });
      return [
        ...["/", "/nowhere", "/models", "/models/1/2", "/MODELS/1", "/Private/x", "/privateer", "/admin"].map(
          (path) => ({
            what: path,
            send: to("GET", path),
            expect: none,
          }),
        ),
        ...["POST", "PUT", "PATCH", "OPTIONS"].map((name) => ({
          what: name,
          send: to(name, "/models/1"),
          expect: method,
        })),
        { what: "TRACE", send: to("TRACE", "/models/1"), expect: refused(405, "method:unknown", { close: true }) },
        { what: "no method at all", send: to("FOO", "/models/1"), expect: malformed("http:syntax") },
        {
          what: "an overridden method",
          send: to("GET", "/models/1", "X-HTTP-Method-Override: DELETE"),
          expect: passed({ upstream: { absent: ["x-http-method-override"] } }),
        },
        { what: "no permission", send: to("DELETE", "/models/1"), expect: refused(403, "route:delete") },
        {
          what: "no roles",
          send: get("/models/1", bearer(token({ claims: { role: [] } }))),
          expect: refused(403, "route:read"),
        },
        {
          what: "no role claim",
          send: get("/models/1", bearer(token({ claims: { role: undefined } }))),
          expect: refused(403, "route:read"),
        },
        { what: "allowed", send: to("GET", "/models/1"), expect: passed() },
        ...ownCases((sub, role) => bearer(token({ claims: { sub, role: [role] } }))),
      ];
    },
  },
  {
    id: "I06",
    class: "rbac",
    name: "a token's roles come from the token alone, a key's from the store alone; never both, never one for the other",
    story: async (world) => {
      const { admin, token } = world;
      const boss = await admin.newKey("acme", { roles: ["Admin"] });
      const editor = await admin.newKey("acme", { roles: ["Editor"] });
      const plain = await admin.newKey("acme", { roles: [] });
      const asBoss = (text: string) => get("/boss", bearer(text));
      const deletes = (text: string) => requestHead("DELETE", "/models/1", [bearer(text)]);
      const reads = (text: string) => get("/models/1", bearer(text));
      const role = (value: unknown) => token({ claims: { role: value } });
      await runCases(world, [
        {
          what: "the store says Admin, the token nothing",
          send: asBoss(role(undefined)),
          expect: refused(403, "route:boss"),
        },
        {
          what: "the store says Admin, the token User",
          send: asBoss(role(["User"])),
          expect: refused(403, "route:boss"),
        },
        { what: "the token says Admin", send: asBoss(role(["Admin"])), expect: passed() },
        { what: "the key with Admin", send: asBoss(boss.secret), expect: passed() },
        { what: "a key without, after the token", send: asBoss(plain.secret), expect: refused(403, "route:boss") },
        { what: "no union of two keys", send: reads(editor.secret), expect: refused(403, "route:read") },
        { what: "the editor's own", send: deletes(editor.secret), expect: passed() },
        {
          what: "permissions of a token",
          send: deletes(token({ claims: { permissions: ["models:delete"] } })),
          expect: passed(),
        },
        { what: "are not its neighbour's", send: deletes(token()), expect: refused(403, "route:delete") },
        ...["Root", "__proto__", "constructor", "toString", "*", "models:delete"].map((name) => ({
          what: `a role nobody defined: ${name}`,
          send: deletes(role([name])),
          expect: refused(403, "route:delete"),
        })),
        {
          what: "claims one level down",
          send: asBoss(token({ claims: { role: undefined, roles: ["Admin"], "x.role": "Admin" } })),
          expect: refused(403, "route:boss"),
        },
      ]);
      await expect(admin.newKey("acme", { roles: ["Root"] })).rejects.toThrow("400");
    },
  },
];

/** A permission for one's own things is none for anybody else's, nor for everybody's. */
function ownCases(line: (sub: string, role: string) => string): readonly Case[] {
  const operator = line("u1", "Operator");
  return [
    { what: "one's own", send: get("/calls?ownerId=u1", operator), expect: passed() },
    { what: "all, which become one's own", send: get("/calls", operator), expect: passed() },
    { what: "another user's", send: get("/calls?ownerId=u2", operator), expect: refused(403, "route:calls") },
    { what: "both", send: get("/calls?ownerId=u1&ownerId=u2", operator), expect: refused(400, "query:ownerId") },
    { what: "a route without own things", send: get("/models/1", operator), expect: refused(403, "route:read") },
    {
      what: "no such permission",
      send: get("/calls?ownerId=u1", line("u1", "User")),
      expect: refused(403, "route:calls"),
    },
  ];
}
