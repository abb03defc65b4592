/** Clients that stop in the middle, and bytes that are no HTTP: they cost the others nothing, and their answers are not mixed up. */
import { connect } from "node:net";
import { afterAll, expect, test } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { askJson, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const scene = await startScene({
  handler: (request, response) => {
    if (request.url === "/slow") setTimeout(() => response.end("slow"), 300);
    else response.end("app");
  },
});
const { gateway, upstream, operator } = scene;
const base = {
  server: { workers: 1, adminToken: "an-admin-token-for-tests-0123456789", limits: { idleTimeout: "1s" } },
  meters: { api_calls: {} },
  upstreams: { app: { targets: [upstream.url], connections: 2, queue: { timeout: "1s" } } },
  routes: [
    { name: "open", match: { path: "/open" }, upstream: "app", auth: "none" },
    { name: "slow", match: { path: "/slow" }, upstream: "app", auth: "none" },
    { name: "counted", match: { path: "/counted" }, upstream: "app", meters: { api_calls: 1 } },
  ],
};
const small = await startScene({ config: base, target: upstream.url });

afterAll(async () => {
  await small[Symbol.asyncDispose]();
  await scene[Symbol.asyncDispose]();
});

test("uploads that stop take connections to the app only until they are cut off with 408", async () => {
  const stalled = [1, 2].map(() =>
    rawExchange(small.gateway.port, `${requestHead("POST", "/open", ["Content-Length: 100"])}abc`, { idleMs: 6000 }),
  );
  const answers = await Promise.all(stalled);
  expect(answers.map(({ closed, responses }) => [closed, ...responses.map(({ status }) => status)])).toEqual([
    [true, 408],
    [true, 408],
  ]);
  expect((await askJson(`${small.gateway.url}/open`)).status).toBe(200);
});

test("a request for which no connection comes free is refused with 503 and when to come again", async () => {
  const patient = { ...base, server: { ...base.server, limits: { idleTimeout: "60s" } } };
  await using waiting = await startScene({ config: patient, target: upstream.url });
  const seen = upstream.count;
  const holders = [1, 2].map(() => connect(waiting.gateway.port, "127.0.0.1"));
  for (const holder of holders) holder.write(`${requestHead("POST", "/open", ["Content-Length: 100"])}abc`);
  await until("both uploads are under way", async () => {
    const metrics = await (await fetch(`${waiting.gateway.adminUrl}/metrics`)).text();
    return metrics.includes("tollgate_requests_in_flight 2");
  });
  const answer = await askJson(`${waiting.gateway.url}/open`);
  expect([answer.status, answer.body.error, answer.headers.get("retry-after")]).toEqual([503, "overloaded", "1"]);
  expect(upstream.count).toBe(seen + 2);
  for (const holder of holders) holder.destroy();
  await until("the uploads are gone", async () => (await askJson(`${waiting.gateway.url}/open`)).status === 200);
});

test("a refused request with a body, whole or not, does not keep its connection open beyond the timeouts", async () => {
  const refusedPost = requestHead("POST", "/counted", ["Content-Length: 5"]);
  const whole = rawExchange(small.gateway.port, `${refusedPost}abcde`, { idleMs: 8000 });
  const half = rawExchange(small.gateway.port, `${refusedPost}ab`, { idleMs: 8000 });
  const late = rawExchange(small.gateway.port, [refusedPost, "abcde"], { idleMs: 8000 });
  for (const { closed, responses } of await Promise.all([whole, half, late])) {
    expect([closed, ...responses.map(({ status }) => status)]).toEqual([true, 401]);
  }
});

test("half a request that its client breaks off is not charged", async () => {
  const key = await operator.key();
  const socket = connect(gateway.port, "127.0.0.1");
  socket.write(`${requestHead("POST", "/half", [key.line, "Content-Length: 100"])}abc`);
  await until("it is counted while it may still come", async () => (await operator.used(key.account)) === 1);
  socket.destroy();
  await until("it is given back", async () => (await operator.used(key.account)) === 0);
  expect((await gateway.cli("usage", "--account", key.account, "--json")).json()).toMatchObject({ data: [] });
});

test("garbage behind a good request gets its 400 after the good answer, never inside it", async () => {
  const key = await operator.key();
  const bytes = `${requestHead("GET", "/slow", [key.line])}GARBAGE\r\n\r\n`;
  const { responses, closed } = await rawExchange(gateway.port, bytes, { idleMs: 3000 });
  expect(responses.map(({ status, complete }) => [status, complete])).toEqual([
    [200, true],
    [400, true],
  ]);
  expect(responses[0]?.text()).toBe("slow");
  expect(closed).toBe(true);
  expect(await operator.used(key.account)).toBe(1);
});
