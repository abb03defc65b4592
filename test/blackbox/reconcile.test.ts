/** `tollgate reconcile`, `tollgate usage --by` and the list of events on a real gateway: while it runs under load, after a crash, and without it. */
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { expect, test } from "vitest";
import { startGateway } from "#test/support/process.ts";
import { operatorOf, rows, type Scene, sceneConfig, startScene } from "#test/support/scene.ts";

const CONFIG = {
  meters: { api_calls: {} },
  plans: {
    free: {
      default: true,
      quotas: {
        api_calls: [
          { limit: 50, per: "day" },
          { limit: 1000, per: "month", by: "key" },
        ],
      },
    },
  },
};

async function load(scene: Pick<Scene, "gateway">, bearer: string, requests: number): Promise<number> {
  const send = () => fetch(scene.gateway.url, { headers: { authorization: `Bearer ${bearer}` } });
  const answers = await Promise.all(Array.from({ length: requests }, send));
  await Promise.all(answers.map((answer) => answer.arrayBuffer()));
  return answers.filter(({ status }) => status === 200).length;
}

/** Changes the store behind everybody's back. */
function plant(dir: string, statement: string): void {
  const db = new SQLite(join(dir, "data", "tollgate.db"));
  db.pragma("busy_timeout = 5000");
  db.exec(statement);
  db.close();
}

test("a gateway under load, one that was killed and one that is stopped have no difference; planted ones are printed, and end with 1", async () => {
  await using scene = await startScene({ config: CONFIG });
  const key = await scene.operator.key();
  const asked = () => scene.operator.call("GET", "/admin/reconcile");
  const [passed, during] = await Promise.all([load(scene, key.secret, 30), asked()]);
  expect([passed, during.status, during.body.differences]).toEqual([30, 200, []]);
  expect(await asked()).toMatchObject({
    body: { differenceCount: 0, journal: { records: 30 }, live: { accounts: 1, moving: 0 } },
  });

  plant(scene.gateway.dir, "UPDATE usage SET units = units + 1, requests = requests + 1");
  const found = await scene.gateway.cli("reconcile");
  expect([found.code, found.stderr]).toEqual([1, expect.stringMatching(/^Error: \d+ differences\n$/)]);
  expect(found.stdout).toMatch(
    new RegExp(`^DIFFERENCE usage account=${key.account} meter=api_calls .*: expected \\d+, found \\d+$`, "m"),
  );
  plant(scene.gateway.dir, "UPDATE usage SET units = units - 1, requests = requests - 1");

  await scene.gateway.kill();
  const alone = await scene.gateway.cli("reconcile");
  expect([alone.code, alone.stderr]).toEqual([0, ""]);
  expect(alone.stdout).toMatch(/^Live counters: no gateway runs\nNo difference\n$/m);
  await using again = await startGateway(sceneConfigWith(scene), { dir: scene.gateway.dir });
  expect(await load({ gateway: again }, key.secret, 30)).toBe(20);
  const after = await operatorOf(again).call("GET", "/admin/reconcile");
  expect(after.body).toMatchObject({ differenceCount: 0, journal: { records: 50 }, live: { accounts: 1 } });
});

function sceneConfigWith(scene: Scene) {
  return { ...sceneConfig(scene.upstream.url), ...CONFIG };
}

test("usage comes by minute, hour or day, and crossed thresholds are events, once", async () => {
  await using scene = await startScene({ config: CONFIG });
  const key = await scene.operator.key();
  await load(scene, key.secret, 60);
  const answers = {
    hour: await scene.operator.call("GET", "/admin/usage"),
    day: await scene.operator.call("GET", "/admin/usage?by=day"),
    minute: { body: (await scene.gateway.cli("usage", "--by", "minute", "--json")).json() },
  };
  for (const [by, answer] of Object.entries(answers)) {
    const lines = rows(answer.body, "data");
    expect(lines.reduce((sum, line) => sum + Number(line.units), 0)).toBe(50);
    expect(lines[0]).toMatchObject({
      [by]: expect.stringMatching(/^\d{4}-.*Z$/),
      account: key.account,
      meter: "api_calls",
    });
  }
  expect((await scene.gateway.cli("usage", "--by", "week")).code).toBe(2);
  const { body } = await scene.operator.call("GET", `/admin/events?account=${key.account}`);
  expect(rows(body, "data").map(({ type, data }) => [type, data])).toMatchObject(
    [80, 90, 100].map((threshold) => [
      "quota.threshold",
      {
        threshold,
        limit: 50,
        used: threshold / 2,
        meter: "api_calls",
        by: "account",
        plan: "free",
        window: { kind: "day" },
      },
    ]),
  );
  const seq = rows(body, "data")[1]?.seq;
  const rest = await scene.operator.call("GET", `/admin/events?after=${String(seq)}`);
  expect(rows(rest.body, "data")).toHaveLength(1);
  expect((await scene.operator.call("GET", "/admin/events?account=nobody")).status).toBe(404);
});

test("a billing anchor is moved by the operator, and usage is shown in the new period at once", async () => {
  const plans = { free: { default: true, quotas: { api_calls: { limit: 50, per: "billing-period" } } } };
  await using scene = await startScene({ config: { plans } });
  const key = await scene.operator.key();
  await load(scene, key.secret, 5);
  const tomorrow = new Date(Date.now() + 86_400_000);
  tomorrow.setUTCFullYear(2024, 0);
  const patched = await scene.operator.call("PATCH", `/admin/accounts/${key.account}`, {
    billingAnchor: tomorrow.toISOString(),
  });
  expect(patched).toMatchObject({
    status: 200,
    body: { billingAnchor: expect.stringMatching(/^2024-01-.*:00\.000Z$/) },
  });
  await load(scene, key.secret, 3);
  const { body } = await scene.operator.call("GET", `/admin/accounts/${key.account}/usage`);
  const [line] = rows(body, "meters");
  expect(line).toMatchObject({ used: 8, remaining: 42, window: { kind: "billing-period" } });
  expect((await scene.operator.call("GET", "/admin/reconcile")).body).toMatchObject({ differences: [] });
  expect((await scene.operator.call("PATCH", `/admin/accounts/${key.account}`, { billingAnchor: "soon" })).status).toBe(
    400,
  );
});
