/** An account gets another id of the operator's own: in force on the next request in all workers, for tokens, keys, apps and members. */
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { ADMIN_TOKEN, askJson, rows, startScene, text } from "#test/support/scene.ts";

const jwks = await startJwks();
const issuer = { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { account: "org" } };
const members = { roleSource: "members" };
const scene = await startScene({
  config: {
    server: { workers: 2, adminToken: ADMIN_TOKEN },
    identity: { issuers: [{ ...issuer, ...members }], accountHeader: "x-account" },
  },
  handler: (request, response) => {
    response.setHeader("content-type", "application/json");
    response.end(JSON.stringify({ account: request.headers["x-tollgate-account"] }));
  },
});
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const tokenOf = (org: string, sub = `user-of-${org}`) => jwks.token({ claims: { aud: "api", org, sub } });

/** What apps are told; enough connections that both workers answer some. */
async function seen(bearer: string, account?: string) {
  const headers = { authorization: `Bearer ${bearer}`, ...(account === undefined ? {} : { "x-account": account }) };
  const ask = async () => {
    const answer = await fetch(`${gateway.url}/x`, { headers });
    const body = (await answer.json()) as { account?: string; rule?: string };
    return body.account ?? `${answer.status} ${String(body.rule)}`;
  };
  return [...new Set(await Promise.all(Array.from({ length: 8 }, ask)))];
}

const rename = (id: string, externalId: unknown, more: object = {}) =>
  operator.call("PUT", `/admin/accounts/${id}/external-id`, { externalId, ...more });
const idOf = async (externalId: string) => (await operator.call("GET", `/admin/accounts/${externalId}`)).body.id;

test("tokens of the new id are of the account, those of the old one of a new account; its keys reach apps under the new one", async () => {
  expect(await seen(tokenOf("before"))).toEqual(["before"]);
  const account = text((await operator.call("GET", "/admin/accounts/before")).body, "id");
  const { secret } = await operator.key({ account });
  expect(await seen(secret)).toEqual(["before"]);
  const used = await operator.used(account);
  expect(await rename("before", "after", { reason: "Moved" })).toMatchObject({
    status: 200,
    body: { id: account, externalId: "after" },
  });
  expect([await seen(secret), await seen(tokenOf("after", "user-of-before"))]).toEqual([["after"], ["after"]]);
  expect(await idOf("after")).toBe(account);
  expect(await operator.used(account)).toBe(used + 16);
  expect(await operator.call("GET", "/admin/accounts/before")).toMatchObject({ status: 404 });
  expect(await seen(tokenOf("before"))).toEqual(["before"]);
  expect(await idOf("before")).not.toBe(account);
  const { body } = await operator.call("GET", `/admin/audit?target=${account}&action=account.external_id_changed`);
  expect(rows(body, "data")).toMatchObject([
    { before: { externalId: "before" }, after: { externalId: "after", reason: "Moved" } },
  ]);
});

test("members name the account by its new id", async () => {
  const token = tokenOf("home", "wanderer");
  expect(await seen(token)).toEqual(["home"]);
  const account = await operator.account({ externalId: "away" });
  await operator.call("POST", `/admin/accounts/${account}/members`, { user: "wanderer" });
  expect(await seen(token, "away")).toEqual(["away"]);
  expect((await rename("away", "far")).status).toBe(200);
  expect(await seen(token, "far")).toEqual(["far"]);
  expect(await seen(token, "away")).toEqual(["403 account:header"]);
});

test("an id is one account's, also a deleted one's; two that swap go by none", async () => {
  const [one, two] = [await operator.account({ externalId: "one" }), await operator.account({ externalId: "two" })];
  expect(await rename("one", "two")).toMatchObject({ status: 409, body: { error: "conflict" } });
  expect(await rename("one", "one")).toMatchObject({ status: 200 });
  await operator.call("DELETE", "/admin/accounts/two");
  expect(await rename("one", "two")).toMatchObject({
    status: 409,
    body: { detail: expect.stringContaining("deleted") },
  });
  expect(await rename("two", null)).toMatchObject({ status: 409 });
  await operator.call("POST", "/admin/accounts/two/restore");
  const [first, second] = [tokenOf("one"), tokenOf("two")];
  expect([await seen(first), await seen(second)]).toEqual([["one"], ["two"]]);
  expect(await rename(two, null)).toMatchObject({ status: 200, body: { externalId: null } });
  expect((await rename(one, "two")).status).toBe(200);
  expect((await rename(two, "one")).status).toBe(200);
  expect([await idOf("one"), await idOf("two")]).toEqual([two, one]);
  const usedBefore = [await operator.used(one), await operator.used(two)];
  await seen(second);
  expect([await operator.used(one), await operator.used(two)]).toEqual([(usedBefore[0] ?? 0) + 8, usedBefore[1]]);
});

test("two that want one id at once: one gets it", async () => {
  const ids = await Promise.all(Array.from({ length: 10 }, () => operator.account()));
  const answers = await Promise.all(ids.map((id) => rename(id, "wanted")));
  expect(answers.map(({ status }) => status).toSorted()).toEqual([200, ...Array.from({ length: 9 }, () => 409)]);
});

test.each([
  [{}, "body/externalId"],
  [{ externalId: "" }, "body/externalId"],
  [{ externalId: 5 }, "body/externalId"],
  [{ externalId: "x".repeat(256) }, "body/externalId"],
  [{ externalId: `acct_${"a".repeat(22)}` }, "body/externalId"],
  [{ externalId: "x", name: "X" }, "body/name"],
])("refuses %j at %s", async (body, path) => {
  const id = await operator.account();
  const answer = await operator.call("PUT", `/admin/accounts/${id}/external-id`, body);
  expect(answer).toMatchObject({ status: 400, body: { error: "malformed_request", path } });
  expect((await askJson(`${gateway.adminUrl}/admin/accounts/${id}`, { bearer: ADMIN_TOKEN })).body.externalId).toBe(
    null,
  );
});
