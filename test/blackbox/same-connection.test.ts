/**
 * A connection that is kept belongs to nobody: each of its requests is its own caller's, whatever came before on it. The gateway remembers
 * what it read there; these requests differ in just one thing at a time.
 */
import { afterAll, expect, test } from "vitest";
import { openConnection } from "#test/support/connection.ts";
import { startScene } from "#test/support/scene.ts";

const scene = await startScene();
const { gateway, operator, upstream } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

/** The account the app was told of for the last request. */
function told(): string | undefined {
  return upstream.requests.at(-1)?.headers["x-tollgate-key-id"]?.toString();
}

test("keys that take turns on one connection, with other fields the same or not", async () => {
  const [one, other] = [await operator.key(), await operator.key()];
  using connection = await openConnection(gateway.port);
  for (let turn = 0; turn < 12; turn++) {
    const key = turn % 3 === 0 ? one : other;
    const trace = `X-Trace: ${turn % 2 === 0 ? "same" : turn}`;
    expect((await connection.ask("GET", "/a", [key.line, trace])).status).toBe(200);
    expect(told()).toBe(key.id);
  }
});

test("a key in another field, none, and one that is broken, behind a good one", async () => {
  const { secret, id } = await operator.key();
  using connection = await openConnection(gateway.port);
  const ask = async (...fields: readonly string[]) => (await connection.ask("GET", "/a", fields)).status;
  expect(await ask(`Authorization: Bearer ${secret}`, "X-Trace: 1")).toBe(200);
  expect(await ask(`X-Api-Key: ${secret}`, "X-Trace: 2")).toBe(200);
  expect(told()).toBe(id);
  expect(await ask("X-Trace: 3")).toBe(401);
  expect(await ask(`Authorization: Bearer ${secret.slice(0, -1)}`, "X-Trace: 4")).toBe(401);
  expect(await ask(`Authorization: Bearer ${secret}`, "X-Trace: 5")).toBe(200);
  expect(await ask(`Authorization: Bearer ${secret}`, `X-Api-Key: ${secret}`)).toBe(400);
});

test("a key that is revoked is refused on the next request of its connection, when another field changes with it", async () => {
  const { line, id } = await operator.key();
  using connection = await openConnection(gateway.port);
  expect((await connection.ask("GET", "/a", [line, "X-Trace: 1"])).status).toBe(200);
  expect((await connection.ask("GET", "/a", [line, "X-Trace: 2"])).status).toBe(200);
  await operator.call("DELETE", `/admin/keys/${id}`);
  expect((await connection.ask("GET", "/a", [line, "X-Trace: 3"])).status).toBe(401);
});
