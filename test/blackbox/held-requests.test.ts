/** A request whose body is held back: what its caller may no longer when it is whole is not done, in both lanes. */
import { connect } from "node:net";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { LANES } from "#test/support/lanes.ts";
import { ADMIN_TOKEN, askJson, rows, sceneConfig, startScene } from "#test/support/scene.ts";

const jwks = await startJwks(makeKey("ES256"));
afterAll(() => jwks.close());

describe.each(LANES)("on the lane %s", async (lane) => {
  const SERVER = { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen: true, lane };
  const ROLES = { Owner: ["*", "tollgate:members:*"], Boss: ["tollgate:*"] };
  const issuer = { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { account: "org" } };
  const identity = { issuers: [{ ...issuer, roleSource: "members" }], members: { firstRoles: ["Owner"] } };
  const config = { server: SERVER, identity, roles: ROLES };
  const scene = await startScene({ config });
  const { gateway, operator } = scene;
  afterAll(() => scene[Symbol.asyncDispose]());

  let count = 0;

  /** Sends all but the last byte of a body, and the last one when `meanwhile` is over; the status. */
  async function held(bearer: string, meanwhile: () => Promise<unknown>, path = "/api-keys"): Promise<number> {
    const { hostname, port } = new URL(gateway.url);
    const socket = connect(Number(port), hostname);
    await once(socket, "connect");
    const body = JSON.stringify({ name: `held-${++count}` });
    const head = [`POST /_tollgate${path} HTTP/1.1`, `Host: ${hostname}`, `Authorization: Bearer ${bearer}`];
    head.push("Content-Type: application/json", `Content-Length: ${body.length}`, "Connection: close", "", "");
    socket.write(head.join("\r\n") + body.slice(0, -1));
    await sleep(200);
    await meanwhile();
    socket.write(body.slice(-1));
    let answer = "";
    for await (const chunk of socket) answer += String(chunk);
    return Number(answer.split(" ")[1]);
  }

  async function team() {
    const org = `${lane}-${++count}`;
    const sub = `${org}-owner`;
    const token = jwks.token({ claims: { aud: "api", sub, org, iat: Math.floor(Date.now() / 1000) - 10 } });
    const { body } = await askJson(`${gateway.url}/_tollgate/auth/me`, { bearer: token });
    const { id } = body.account as { readonly id: string };
    return { org, sub, token, id };
  }

  const namesOf = async (account: string) =>
    rows((await operator.call("GET", `/admin/keys?account=${account}`)).body, "data").map(({ name }) => name);

  test("one that nothing happens to is done", async () => {
    const { token, id } = await team();
    expect(await held(token, () => Promise.resolve())).toBe(201);
    expect(await namesOf(id)).toHaveLength(1);
  });

  test("a revoked, disabled or narrowed key makes no key", async () => {
    const { id } = await team();
    for (const [status, method, body] of [
      [401, "DELETE"],
      [401, "PATCH", { enabled: false }],
      [409, "PATCH", { methods: ["GET"] }],
    ] as const) {
      const key = await operator.key({ account: id, roles: ["Owner"] });
      expect(await held(key.secret, () => operator.call(method, `/admin/keys/${key.id}`, body))).toBe(status);
    }
    const old = await operator.key({ account: id, roles: ["Owner"] });
    const end = () => operator.call("POST", `/admin/keys/${old.id}/rotate`, { overlap: "0s" });
    expect(await held(old.secret, end)).toBe(409);
    expect((await namesOf(id)).filter((name) => name !== null)).toEqual([]);
  });

  test("nor does a user who is suspended, deleted, removed, demoted or signed out, or whose account is suspended", async () => {
    for (const [status, end] of [
      [403, (who: Team) => operator.call("PATCH", `/admin/users/${who.sub}`, { state: "suspended" })],
      [401, (who: Team) => operator.call("DELETE", `/admin/users/${who.sub}`)],
      [409, (who: Team) => operator.call("DELETE", `/admin/accounts/${who.id}/members/${who.sub}`)],
      [409, (who: Team) => operator.call("PATCH", `/admin/accounts/${who.id}/members/${who.sub}`, { roles: [] })],
      [409, (who: Team) => operator.call("DELETE", `/admin/users/${who.sub}/sessions`)],
      [403, (who: Team) => operator.call("POST", `/admin/accounts/${who.id}/suspend`, {})],
    ] as const) {
      const who = await team();
      expect(await held(who.token, () => end(who))).toBe(status);
      expect(await namesOf(who.id)).toEqual([]);
    }
  });

  test("nor does who may no more, or no longer by the same rules, since the file changed; another change of it is no matter", async () => {
    const { token, id } = await team();
    const becomes = (change: object) => gateway.reload({ ...sceneConfig(scene.upstream.url), ...config, ...change });
    const rule = { operations: ["tollgate.api-keys.create"], require: { roles: ["Boss"] } };
    expect(await held(token, () => becomes({ endpoints: { rules: [rule] } }))).toBe(409);
    expect(await held(token, () => becomes({}))).toBe(403);
    expect(await held(token, () => becomes({ roles: { ...ROLES, Owner: ["*"] } }))).toBe(409);
    expect(await held(token, () => becomes({ roles: { ...ROLES, Owner: ["*"] }, rates: {} }))).toBe(201);
    await becomes({});
    expect(await namesOf(id)).toHaveLength(1);
  });

  test("an operator's key that is revoked makes no account", async () => {
    const key = await operator.key({ roles: ["Boss"] });
    const made = held(key.secret, () => operator.call("DELETE", `/admin/keys/${key.id}`), "/admin/accounts");
    expect(await made).toBe(401);
    const all = await operator.call("GET", "/admin/accounts?search=held-");
    expect(rows(all.body, "data")).toEqual([]);
  });

  type Team = Awaited<ReturnType<typeof team>>;
});
