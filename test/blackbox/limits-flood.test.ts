/**
 * Shared tables full of live entries under a flood of new keys: who was there keeps their limits to the unit, newcomers are refused
 * rather than let in uncounted, idle entries give way, and memory stays bounded. The tables are made small for it (`patched.ts`).
 */
import { readFileSync } from "node:fs";
import { afterAll, expect, test } from "vitest";
import { type Crowd, openCrowd } from "#test/support/crowd.ts";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { withConstants } from "#test/support/patched.ts";
import type { Gateway } from "#test/support/process.ts";
import { requestHead } from "#test/support/raw.ts";
import { type Scene, startScene } from "#test/support/scene.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const ENTRIES = LONG ? 16_000 : 1_000;
const CROWD = 100;
/** Each worker remembers 50,000 addresses. */
const [FLOODS, FLOOD] = LONG ? [5, 60_000] : [2, 2 * ENTRIES];
const RATES = {
  file: "control-plane/fleet/live-tables.ts",
  line: "const RATE_ENTRIES = 1_048_576;",
  instead: `const RATE_ENTRIES = ${ENTRIES};`,
};
const COUNTERS = {
  file: "control-plane/foundation.ts",
  line: "const COUNTER_ENTRIES = 1_048_576;",
  instead: `const COUNTER_ENTRIES = 1024;`,
};

const jwks = await startJwks(makeKey("ES256"));
afterAll(() => jwks[Symbol.asyncDispose]());

function floodScene(): Promise<Scene> {
  const claims = { account: "project" };
  return startScene({
    config: {
      server: { workers: 2, adminToken: "an-admin-token-for-tests-0123456789", trustedProxies: ["127.0.0.0/8"] },
      identity: { issuers: [{ name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims }] },
      rates: {
        slow: { limit: 1, per: "30d", burst: 3, by: "ip" },
        quick: { limit: 1000, per: "1s", by: "ip" },
        device: { limit: 1, per: "30d", burst: 3, by: "claim:device" },
      },
      meters: { calls: {} },
      plans: { free: { default: true, quotas: { calls: { limit: 3, per: "lifetime", by: "user" } } } },
      routes: [
        { name: "slow", match: { path: "/slow" }, auth: "none", upstream: "app", rates: ["slow"] },
        { name: "quick", match: { path: "/quick" }, auth: "none", upstream: "app", rates: ["quick"] },
        { name: "device", match: { path: "/device" }, upstream: "app", rates: ["device"] },
        { name: "user", match: { path: "/user" }, upstream: "app", meters: { calls: 1 } },
      ],
    },
    handler: (_request, response) => void response.end("ok"),
    gateway: withConstants([RATES, COUNTERS], { env: { NODE_OPTIONS: "--max-old-space-size=256" } }),
  });
}

/** A different address for each number, from two /8 of the documentation's choosing by nobody. */
const address = (n: number) => `${44 + (n >> 24)}.${(n >> 16) & 255}.${(n >> 8) & 255}.${n & 255}`;
const from = (path: string) => (n: number) => requestHead("GET", path, [`X-Forwarded-For: ${address(n)}`]);

/** `count` requests numbered from `first`; how often each status came. */
async function flood(
  crowd: Crowd,
  request: (n: number) => string,
  first: number,
  count: number,
): Promise<Record<string, number>> {
  const counts: Record<string, number> = {};
  for (let next = first; next < first + count; next += crowd.size) {
    const answers = await crowd.ask((member) => request(next + member)).all;
    for (const [status, times] of Object.entries(answers)) counts[status] = (counts[status] ?? 0) + times;
  }
  return counts;
}

function residentMb({ pid }: Gateway): number {
  const [, kb] = /^VmRSS:\s+(\d+) kB$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8")) ?? [];
  return Number(kb) / 1024;
}

test("who is in the tables keeps what is left, and nothing more; newcomers are refused; memory is bounded", async () => {
  await using scene = await floodScene();
  await scene.operator.account({ externalId: "acme" });
  using crowd = await openCrowd(scene.gateway.port, CROWD);
  const tokens = Array.from({ length: 15 * CROWD }, (_, n) =>
    jwks.token({ claims: { aud: "api", sub: `user${n}`, device: `device${n}`, project: "acme" } }),
  );
  const as = (path: string) => (n: number) =>
    requestHead("GET", path, [`Authorization: Bearer ${tokens[n % tokens.length]}`]);
  const [slow, device, user] = [from("/slow"), as("/device"), as("/user")];
  // Twice as many as there are places: a bucket that is full again is as good as none.
  expect(await flood(crowd, from("/quick"), 0, 2 * ENTRIES)).toEqual({ 200: 2 * ENTRIES });
  for (const request of [slow, device, user]) expect(await flood(crowd, request, 0, CROWD)).toEqual({ 200: CROWD });
  const sizes: number[] = [];
  for (let part = 1; part <= FLOODS; part++) {
    scene.upstream.clear();
    expect((await flood(crowd, slow, part * 1_000_000, FLOOD))[503]).toBeGreaterThan(FLOOD / 10);
    sizes.push(residentMb(scene.gateway));
  }
  expect((await flood(crowd, device, CROWD, CROWD))[503]).toBeGreaterThan(0);
  expect((await flood(crowd, user, CROWD, 14 * CROWD))[503]).toBeGreaterThan(0);
  // Each has taken one of three.
  for (const request of [slow, device, user]) {
    for (const expected of [{ 200: CROWD }, { 200: CROWD }, { 429: CROWD }])
      expect(await flood(crowd, request, 0, CROWD)).toEqual(expected);
  }
  // What workers remember of addresses is full by the third part of a long run: later ones cost what is still to be collected.
  expect(Math.max(...sizes) - (sizes[LONG ? 2 : 0] ?? 0)).toBeLessThan(200);
  expect(scene.gateway.logs().filter(({ event }) => event === "worker-exited")).toEqual([]);
}, 300_000);
