/** A reload that changes what limits a customer loses nothing of what was used, and what a route asks is asked of everybody. */
import { afterAll, expect, test } from "vitest";
import { askJson, sceneConfig, startScene } from "#test/support/scene.ts";

const scene = await startScene();
const { gateway, operator, upstream } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

function withQuota(per: string, routes?: unknown): Readonly<Record<string, unknown>> {
  const plans = { free: { default: true, quotas: { api_calls: { limit: 1000, per } } } };
  return { ...sceneConfig(upstream.url), plans, ...(routes === undefined ? {} : { routes }) };
}

test("usage is the same after the quota's window was changed and changed back", async () => {
  const key = await operator.key();
  const call = async (times: number) => {
    for (let i = 0; i < times; i++) await askJson(`${gateway.url}/x`, { bearer: key.secret });
  };
  await call(5);
  await gateway.reload(withQuota("day"));
  await call(7);
  expect(await operator.used(key.account)).toBe(12);
  await gateway.reload(withQuota("month"));
  await call(3);
  expect(await operator.used(key.account)).toBe(15);
  await gateway.reload(withQuota("hour"));
  expect(await operator.used(key.account)).toBe(15);
});

test("a route that lets anybody in but asks for a permission lets nobody in without it", async () => {
  const routes = [
    { name: "o", match: { path: "/o" }, upstream: "app", auth: "optional" },
    { name: "p", match: { path: "/p" }, upstream: "app", auth: "optional", require: { permissions: ["models:write"] } },
  ];
  await gateway.reload(withQuota("month", routes));
  const [admin, user] = [await operator.key(), await operator.key({ roles: ["User"] })];
  const ask = async (path: string, bearer?: string) =>
    (await askJson(`${gateway.url}${path}`, bearer === undefined ? {} : { bearer })).status;
  expect([await ask("/o"), await ask("/p"), await ask("/p", user.secret), await ask("/p", admin.secret)]).toEqual([
    200, 401, 403, 200,
  ]);
});
