/** The admin listener answers to its token only, which is shown once. */
import { once } from "node:events";
import { mkdtempSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startGateway } from "#test/support/process.ts";
import { ADMIN_TOKEN, askJson, type JsonAnswer, sceneConfig, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const scene = await startScene();
const { gateway, operator } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

function ask(path: string, bearer?: string): Promise<JsonAnswer> {
  return askJson(`${gateway.adminUrl}${path}`, bearer === undefined ? {} : { bearer });
}

test.each([
  "/admin/accounts",
  "/admin/keys",
  "/admin/usage",
  "/admin/key-sets",
  "/%61dmin/accounts",
  "/admin/accounts/x",
])("%s needs the admin token, and nothing that resembles it will do", async (path) => {
  const customer = await operator.key();
  for (const bearer of [
    undefined,
    `${ADMIN_TOKEN}x`,
    ADMIN_TOKEN.slice(0, -1),
    ADMIN_TOKEN.toUpperCase(),
    customer.secret,
  ]) {
    const answer = await ask(path, bearer);
    expect(answer).toMatchObject({ status: 401, body: { error: "credentials_invalid" } });
    expect(answer.headers.get("www-authenticate")).toMatch(/^Bearer/);
  }
});

test("the admin token is no credential on the traffic listener, and the admin API is not served there", async () => {
  for (const path of ["/a", "/_tollgate/auth/me", "/admin/accounts"]) {
    expect((await askJson(`${gateway.url}${path}`, { bearer: ADMIN_TOKEN })).status).toBe(401);
  }
  const { secret } = await operator.key();
  expect((await askJson(`${gateway.url}/_tollgate/admin/accounts`, { bearer: secret })).status).toBe(404);
});

test("the admin token is printed at the first start only, works, is in no log line, and is kept over a restart", async () => {
  const config = { ...sceneConfig("http://127.0.0.1:9"), server: { workers: 1 } };
  await using first = await startGateway(config);
  const token = await until("the token is printed", () => /\n {2}(tg_admin_\S+)\n/.exec(first.output())?.[1]);
  expect(token.length).toBeGreaterThan(32);
  expect(JSON.stringify(first.logs())).not.toContain(token);
  expect((await askJson(`${first.adminUrl}/admin/accounts`, { bearer: token })).status).toBe(200);
  await first.stop();
  await using second = await startGateway(config, { dir: first.dir });
  expect(second.output()).not.toMatch(/tg_admin_|admin token/i);
  expect((await askJson(`${second.adminUrl}/admin/accounts`, { bearer: token })).status).toBe(200);
});

test("a first start that fails makes no token: the next one shows it", async () => {
  const taken = createServer().listen(0, "127.0.0.1");
  await once(taken, "listening");
  const address = taken.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const config = { ...sceneConfig("http://127.0.0.1:9"), server: { workers: 1 } };
  const dir = mkdtempSync(join(tmpdir(), "tollgate-test-"));
  const blocked = { ...config, server: { workers: 1, listen: `127.0.0.1:${port}`, admin: null } };
  await expect(startGateway(blocked, { dir })).rejects.toThrow(`Cannot listen on 127.0.0.1:${port}`);
  taken.close();
  await using next = await startGateway(config, { dir });
  await until("the token is printed", () => /tg_admin_\S+/.test(next.output()));
});
