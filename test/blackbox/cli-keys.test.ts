/** Keys by the command line, from their making to their end. */
import { afterAll, expect, test } from "vitest";
import { askJson, startScene, text } from "#test/support/scene.ts";

const scene = await startScene();
const { gateway, operator } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

const use = (secret: string) => askJson(`${gateway.url}/x`, { bearer: secret });

test("the command line makes, shows, rotates, renames, switches and finds keys", async () => {
  const account = await operator.account();
  const run = async (...args: readonly string[]) => {
    const { stdout, stderr, code } = await gateway.cli("keys", ...args, "--json");
    return code === 0 ? JSON.parse(stdout) : stderr;
  };
  const narrowing = ["--route", "all", "--method", "GET", "--address", "127.0.0.0/8"];
  const made = await run("create", "--account", account, "--name", "one", "--expires", "1h", ...narrowing);
  expect(made).toMatchObject({ routes: ["all"], methods: ["GET"], addresses: ["127.0.0.0/8"], env: "live" });
  const id = text(made, "id");
  expect(await run("rename", id, "two")).toMatchObject({ name: "two" });
  expect(await run("disable", id)).toMatchObject({ state: "disabled" });
  expect((await use(text(made, "key"))).status).toBe(401);
  expect(await run("enable", id)).toMatchObject({ state: "active" });
  const next = await run("rotate", id, "--overlap", "0s");
  expect([(await use(text(made, "key"))).status, (await use(text(next, "key"))).status]).toEqual([401, 200]);
  expect(await run("show", id)).toMatchObject({ id, name: "two", oldSecrets: [] });
  expect((await gateway.cli("keys", "show", id)).stdout).toMatch(/^name +two$/m);
  expect(await run("list", "--account", account, "--search", "TWO", "--state", "active")).toMatchObject({
    data: [{ id }],
  });
  expect(await run("create", "--account", account, "--route", "nowhere")).toContain("Route nowhere is not");
  expect((await gateway.cli("keys", "list", "--account", account)).stdout).toContain("active");
  expect(await run("revoke", id)).toMatchObject({ state: "revoked" });
  expect(await run("rename", id, "three")).toContain("revoked");
});
