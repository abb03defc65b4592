/** A reload that changes what limits a customer loses nothing of what was used, and what a route asks is asked of everybody. */
import { afterAll, expect, test } from "vitest";
import { LANES } from "#test/support/lanes.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, askJson, sceneConfig, startScene } from "#test/support/scene.ts";

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

test.each(LANES)("lane %s: the size of heads follows a reload, up and down", async (lane) => {
  const config = (headerBytes: string) => ({
    ...sceneConfig(upstream.url),
    server: { workers: 2, lane, adminToken: ADMIN_TOKEN, limits: { headerBytes } },
  });
  await using own = await startScene({ config: config("4KiB") });
  const statuses = async () => {
    const sizes = [1024, 8 * 1024, 40 * 1024];
    const head = (bytes: number) => requestHead("GET", "/x", [`X-Long: ${"x".repeat(bytes)}`]);
    const answers = await Promise.all(
      sizes.map((bytes) => rawExchange(own.gateway.port, head(bytes), { responses: 1 })),
    );
    return answers.map(({ responses }) => responses[0]?.status);
  };
  expect(await statuses()).toEqual([401, 431, 431]);
  expect((await own.gateway.reload(config("64KiB"))).event).toBe("reloaded");
  expect(await statuses()).toEqual([401, 401, 401]);
  expect((await own.gateway.reload(config("16KiB"))).event).toBe("reloaded");
  expect(await statuses()).toEqual([401, 401, 431]);
});
