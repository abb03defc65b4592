/**
 * Windows of quotas that come and go by reloads, and billing anchors that move, all while requests are under way: the live counters
 * are what the ledger has, and the ledger is what the app saw.
 */
import { expect, test } from "vitest";
import { seededRandom } from "#test/support/random.ts";
import { type MadeKey, rows, type Scene, sceneConfig, startScene } from "#test/support/scene.ts";

const LOAD_MS = process.env.TOLLGATE_LONG === "1" ? 60_000 : 2_500;
const CALLERS = 12;

type Quota = Readonly<Record<string, unknown>>;
const ALWAYS: Quota = { limit: 10_000_000, per: "day" };
const CHOICES: readonly [readonly Quota[], ...(readonly Quota[])[]] = [
  [],
  [{ limit: null, per: "month" }],
  [
    { limit: null, per: "billing-period" },
    { limit: null, per: "hour", by: "key" },
  ],
  [
    { limit: null, per: "billing-period", timeZone: "Europe/Berlin" },
    { limit: null, per: "week" },
  ],
];

function configWith(target: string, quotas: readonly Quota[]) {
  return {
    ...sceneConfig(target),
    plans: { free: { default: true, quotas: { api_calls: [ALWAYS, ...quotas] } } },
  };
}

/** Sends requests one after the other until told to end; resolves with how many passed. */
async function call({ gateway }: Scene, key: MadeKey, signal: AbortSignal): Promise<number> {
  let passed = 0;
  while (!signal.aborted) {
    const answer = await fetch(gateway.url, { headers: { authorization: `Bearer ${key.secret}` } });
    await answer.arrayBuffer();
    if (answer.status === 200) passed++;
  }
  return passed;
}

test("nothing is lost or counted twice by reloads and moved anchors under load", async () => {
  const random = seededRandom("counting changes");
  await using scene = await startScene({ config: { plans: configWith("", []).plans } });
  const keys = [await scene.operator.key(), await scene.operator.key()] as const;
  const over = new AbortController();
  const callers = Promise.all(Array.from({ length: CALLERS }, () => call(scene, random.pick(keys), over.signal)));
  // Should a look fail, the gateway goes before they end.
  callers.catch(() => undefined);
  const until = Date.now() + LOAD_MS;
  let changes = 0;
  while (Date.now() < until) {
    const reloaded = scene.gateway.reload(configWith(scene.upstream.url, random.pick(CHOICES)));
    const billingAnchor = new Date(Date.UTC(2025, 0, random.between(20, 23), random.between(0, 2))).toISOString();
    const path = `/admin/accounts/${random.pick(keys).account}`;
    const [line, moved] = await Promise.all([reloaded, scene.operator.call("PATCH", path, { billingAnchor })]);
    expect([line.event, moved.status]).toEqual(["reloaded", 200]);
    const { body } = await scene.operator.call("GET", "/admin/reconcile");
    expect(body.differences).toEqual([]);
    changes++;
  }
  over.abort();
  const passed = (await callers).reduce((sum, count) => sum + count, 0);
  const { body } = await scene.operator.call("GET", "/admin/reconcile");
  expect(body).toMatchObject({ differences: [], live: { accounts: 2, moving: 0 } });
  const lines = rows((await scene.operator.call("GET", "/admin/usage?by=day")).body, "data");
  expect(lines.reduce((sum, { units }) => sum + Number(units), 0)).toBe(passed);
  expect(passed).toBeGreaterThan(CALLERS);
  expect(changes).toBeGreaterThan(2);
}, 120_000);
