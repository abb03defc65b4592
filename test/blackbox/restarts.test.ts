/** What outlives the process, killed or stopped: counters, terms of plans, deletions, sessions that are over, reservations, secrets of keys. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { startGateway } from "#test/support/process.ts";
import {
  ADMIN_TOKEN,
  askJson,
  operatorOf,
  rows,
  type Scene,
  sceneConfig,
  startScene,
  text,
} from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const plans = { free: { default: true }, team: {} };

test.each(["SIGTERM", "SIGKILL"] as const)("counters survive %s exactly", async (signal) => {
  const [limit, before] = [100, 37];
  const quotas = { api_calls: { limit, per: "month" } };
  await using first = await startScene({ config: { plans: { free: { default: true, quotas } } } });
  const key = await first.operator.key();
  const statuses = async (url: string, count: number) => {
    const all = Array.from({ length: count }, () => askJson(`${url}/quota`, { bearer: key.secret }));
    return (await Promise.all(all)).map(({ status }) => status);
  };
  expect(new Set(await statuses(first.gateway.url, before))).toEqual(new Set([200]));
  await (signal === "SIGTERM" ? first.gateway.stop() : first.gateway.kill());
  const again = {
    ...sceneConfig(first.upstream.url),
    plans: { free: { default: true, quotas } },
    server: { workers: 2, adminToken: ADMIN_TOKEN },
  };
  await using second = await startGateway(again, { dir: first.gateway.dir });
  expect(await operatorOf(second).used(key.account)).toBe(before);
  const passed = (await statuses(second.url, 80)).filter((status) => status === 200);
  expect(passed).toHaveLength(limit - before);
  const { body } = await operatorOf(second).call("GET", `/admin/usage?account=${key.account}`);
  const units = rows(body, "data").map((row) => Number(row.units));
  expect(units.reduce((sum, one) => sum + one, 0)).toBe(limit);
});

test("a plan for a time that ended while the gateway was down has ended before it is ready", async () => {
  await using own = await startScene({ config: { plans } });
  const { account, secret } = await own.operator.key();
  const term = { plan: "team", planDuration: "1500ms" };
  const { body } = await own.operator.call("PATCH", `/admin/accounts/${account}`, term);
  await own.gateway.kill();
  await until("its time has come", () => Date.now() > Date.parse(text(body, "planUntil")));
  await using again = await startScene({ config: { plans }, gateway: { dir: own.gateway.dir } });
  const answer = await askJson(`${again.gateway.url}/_tollgate/auth/me`, { bearer: secret });
  expect(answer.body).toMatchObject({ plan: "free", account: { plan: null, planUntil: null } });
});

test("a deleted account is so after a crash", async () => {
  await using own = await startScene({ config: { plans } });
  const { account, secret } = await own.operator.key();
  await own.operator.call("DELETE", `/admin/accounts/${account}`);
  await own.gateway.kill();
  await using again = await startScene({ config: { plans }, gateway: { dir: own.gateway.dir } });
  expect((await askJson(`${again.gateway.url}/x`, { bearer: secret })).status).toBe(401);
});

test("a cut-off and a denied session outlive the process; an operator can set the cut-off right", async () => {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-sessions-"));
  await using jwks = await startJwks();
  const issuers = [{ name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"] }];
  const options = { config: { identity: { issuers } }, gateway: { dir } };
  const iat = Math.floor(Date.now() / 1000) - 10;
  const tokenOf = (sub: string, sid: string) => jwks.token({ claims: { aud: "api", sub, iat, sid } });
  const ask = async ({ gateway: { url } }: Scene, bearer: string) => (await askJson(`${url}/x`, { bearer })).status;
  const [all, one] = [tokenOf("again", "s"), tokenOf("again-2", "s2")];
  {
    await using first = await startScene(options);
    expect([await ask(first, all), await ask(first, one)]).toEqual([200, 200]);
    await first.operator.call("DELETE", "/admin/users/again/sessions");
    await first.operator.call("DELETE", "/admin/users/again-2/sessions/s2");
    await first.gateway.kill();
  }
  await using second = await startScene(options);
  expect([await ask(second, all), await ask(second, one)]).toEqual([401, 401]);
  const patch = (from: unknown) => second.operator.call("PATCH", "/admin/users/again", { sessionsNotBefore: from });
  expect((await patch("yesterday")).status).toBe(400);
  expect(await patch(null)).toMatchObject({ status: 200, body: { sessionsNotBefore: null } });
  expect([await ask(second, all), await ask(second, one)]).toEqual([200, 401]);
  rmSync(dir, { recursive: true, force: true });
});

test("of reservations a crash keeps what is open and what is settled", async () => {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-reservations-"));
  try {
    const file = {
      ...sceneConfig("http://127.0.0.1:9"),
      meters: { minutes: {} },
      plans: { free: { default: true, quotas: { minutes: { limit: 5, per: "day", status: 402 } } } },
      roles: { Jobs: ["tollgate:usage:write"] },
      routes: [{ name: "all", match: { path: "/**" }, upstream: "app" }],
    };
    const call = (path: string, body: unknown, bearer: string, url: string) =>
      askJson(`${url}/_tollgate/usage/reservations${path}`, { method: "POST", body, bearer });
    const first = await startGateway(file, { dir });
    const key = await operatorOf(first).key({ roles: ["Jobs"] });
    const hold = async (units: number, url: string) => call("", { meter: "minutes", units }, key.secret, url);
    const [open, settled] = [await hold(2, first.url), await hold(3, first.url)];
    await call(`/${text(settled.body, "id")}/confirm`, { units: 1 }, key.secret, first.url);
    await first.kill();
    await first[Symbol.asyncDispose]();
    await using second = await startGateway(file, { dir });
    expect((await hold(3, second.url)).status).toBe(402);
    expect((await hold(2, second.url)).status).toBe(201);
    const confirmed = await call(`/${text(open.body, "id")}/confirm`, { units: 0 }, key.secret, second.url);
    expect(confirmed.status).toBe(200);
    expect(await operatorOf(second).used(key.account, "minutes")).toBe(3);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

test("where keys' secrets are not kept, or not any more, or the sealing key is gone, it says so", async () => {
  const start = { ...sceneConfig("http://127.0.0.1:9"), version: 1 };
  await using hashing = await startGateway(start);
  const kept = await operatorOf(hashing).key();
  const answer = await operatorOf(hashing).call("POST", `/admin/keys/${kept.id}/reveal`);
  expect(answer).toMatchObject({ status: 409, body: { error: "conflict" } });
  const config = { ...start, identity: { keys: { storage: "retrievable" } } };
  await hashing.stop();
  await using keeping = await startGateway(config, { dir: hashing.dir });
  expect((await operatorOf(keeping).call("POST", `/admin/keys/${kept.id}/reveal`)).status).toBe(409);
  const sealed = await operatorOf(keeping).key();
  expect((await operatorOf(keeping).call("POST", `/admin/keys/${sealed.id}/reveal`)).status).toBe(200);
  await keeping.stop();
  writeFileSync(join(hashing.dir, "data", "sealing-keys"), "");
  await using lost = await startGateway(config, { dir: hashing.dir });
  const refused = await operatorOf(lost).call("POST", `/admin/keys/${sealed.id}/reveal`);
  expect(refused).toMatchObject({ status: 503, body: { error: "secret_unavailable" } });
  // The key itself works all the same.
  expect((await askJson(`${lost.url}/_tollgate/auth/me`, { bearer: sealed.secret })).status).toBe(200);
});
