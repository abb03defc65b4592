/** Keys across ends of the process: what was answered holds after kill -9, and a drain writes down who was seen last. */
import { afterEach, expect, test } from "vitest";
import { type Gateway, startGateway } from "#test/support/process.ts";
import { askJson, operatorOf, sceneConfig, text } from "#test/support/scene.ts";
import { startUpstream } from "#test/support/upstream.ts";

const ends: AsyncDisposable[] = [];

afterEach(async () => {
  for (const end of ends.splice(0).toReversed()) await end[Symbol.asyncDispose]();
});

async function site() {
  const upstream = await startUpstream();
  ends.push(upstream);
  const config = sceneConfig(upstream.url);
  const gateway = await startGateway(config);
  ends.push(gateway);
  return { gateway, config };
}

async function again(config: Readonly<Record<string, unknown>>, { dir }: Gateway): Promise<Gateway> {
  const gateway = await startGateway(config, { dir });
  ends.push(gateway);
  return gateway;
}

const statusOf = async ({ url }: Gateway, secret: string) => (await askJson(`${url}/x`, { bearer: secret })).status;

test("a rotation, a change and a revocation that were answered hold after kill -9", async () => {
  const { gateway, config } = await site();
  const operator = operatorOf(gateway);
  const [turned, off, gone] = [await operator.key(), await operator.key(), await operator.key()];
  const rotated = await operator.call("POST", `/admin/keys/${turned.id}/rotate`, { overlap: "1h" });
  await operator.call("PATCH", `/admin/keys/${off.id}`, { enabled: false });
  await operator.call("DELETE", `/admin/keys/${gone.id}`);
  await gateway.kill();
  const next = await again(config, gateway);
  expect(await statusOf(next, turned.secret)).toBe(200);
  expect(await statusOf(next, text(rotated.body, "key"))).toBe(200);
  expect(await statusOf(next, off.secret)).toBe(401);
  expect(await statusOf(next, gone.secret)).toBe(401);
  await operatorOf(next).call("PATCH", `/admin/keys/${off.id}`, { enabled: true });
  expect(await statusOf(next, off.secret)).toBe(200);
});

test("a stop writes down when keys were last used", async () => {
  const { gateway } = await site();
  const { id, secret } = await operatorOf(gateway).key();
  const beforeMs = Date.now();
  expect(await statusOf(gateway, secret)).toBe(200);
  expect(await gateway.stop()).toBe(0);
  const shown = JSON.parse((await gateway.cli("keys", "show", id, "--json")).stdout);
  expect(Date.parse(shown.lastUsedAt)).toBeGreaterThanOrEqual(beforeMs);
  expect(shown.lastUsedFrom).toBe("127.0.0.1");
});
