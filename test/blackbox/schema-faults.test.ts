/** A request that does not fit its schema: the answer names the member, one that is missing or not known too, and what would fit. */
import { afterAll, expect, test } from "vitest";
import { askJson, startScene } from "#test/support/scene.ts";

const scene = await startScene();
const { gateway, operator } = scene;
const key = await operator.key();

afterAll(() => scene[Symbol.asyncDispose]());

const long = "x".repeat(201);

test.each([
  [{ nme: "x" }, "body/nme", 'body/nme is not known (did you mean "name"?)'],
  [{ colour: "red" }, "body/colour", "body/colour is not known (known: name, expires, expiresAt, routes, methods, addresses, limits, env, roles, scopes)"],
  [{ "a/b~": 1 }, "body/a~1b~0", expect.stringContaining("body/a~1b~0 is not known")],
  [{ [long]: 1 }, `body/${long.slice(0, 100)}`, expect.stringContaining("is not known")],
  [{ name: long }, "body/name", "body/name must NOT have more than 200 characters"],
  [{ name: 5 }, "body/name", "body/name must be string"],
  [{ env: "prod" }, "body/env", 'body/env must be one of "live", "test", "dev"'],
  [{ scopes: 5 }, "body/scopes", "body/scopes must be array or must be object"],
  [{ scopes: { read: "x" } }, "body/scopes/read", "body/scopes/read must be boolean"],
  [{ scopes: { read: true, wrte: true } }, "body/scopes/wrte", 'body/scopes/wrte is not known (did you mean "write"?)'],
  [{ methods: ["GET", "FOO"] }, "body/methods/1", expect.stringContaining('body/methods/1 must be one of "GET"')],
  [{ limits: { rates: [{ limit: 0, per: "1m" }] } }, "body/limits/rates/0/limit", "body/limits/rates/0/limit must be >= 1"],
  [{ limits: { rates: [{ limit: 1 }] } }, "body/limits/rates/0/per", "body/limits/rates/0/per is missing"],
  [[], "body", "body must be object"],
  [{ routes: ["alll"] }, "body/routes/0", 'Route alll is not in the configuration: did you mean "all"?'],
  [{ routes: ["all", "something else"] }, "body/routes/1", "Route something else is not in the configuration: there are all, and tollgate.… for the gateway's own endpoints"],
])("%j", async (wish, path, detail) => {
  const { status, body } = await askJson(`${gateway.url}/_tollgate/api-keys`, { method: "POST", body: wish, bearer: key.secret });
  expect({ status, error: body.error, path: body.path, detail: body.detail }).toEqual({ status: 400, error: "malformed_request", path, detail });
}); // biome-ignore format: a table

test("queries, and what is missing in the first place", async () => {
  const query = await askJson(`${gateway.url}/_tollgate/api-keys?limt=5`, { bearer: key.secret });
  expect(query).toMatchObject({ status: 400, body: { path: "querystring/limt", rule: "schema:querystring" } });
  const missing = await operator.call("POST", "/admin/keys", {});
  expect(missing).toMatchObject({ status: 400, body: { path: "body/account", detail: "body/account is missing" } });
  expect(missing.body.rule).toBe("schema:body");
});
