/** Figures of a real gateway: they add up to what was done. */
import { afterAll, expect, test } from "vitest";
import { ADMIN_TOKEN, askJson, rows, startScene } from "#test/support/scene.ts";

const config = {
  meters: { api_calls: {} },
  plans: {
    free: { default: true, quotas: { api_calls: { limit: 3, per: "month" } } },
    pro: { quotas: { api_calls: { limit: null, per: "month" } } },
    idle: {},
  },
  server: { workers: 2, adminToken: ADMIN_TOKEN },
};
const scene = await startScene({
  config,
  handler: ({ url }, response) => {
    response.statusCode = { "/fail": 500, "/miss": 404 }[url] ?? 200;
    response.end("{}");
  },
});
const { gateway, operator } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

const stats = async (query = "") => (await operator.call("GET", `/admin/stats${query}`)).body;
const planOf = async (name: string) => rows(await stats(), "plans").find(({ plan }) => plan === name);

test("accounts, plans, sign-ups, calls, hits of limits and errors are counted", async () => {
  const free = await operator.key();
  const pro = await operator.key({ account: await operator.account({ plan: "pro" }) });
  const gone = await operator.key({ account: await operator.account({ plan: "pro" }) });
  await operator.call("POST", `/admin/accounts/${await operator.account()}/suspend`);
  const use = (bearer: string, path = "/x") => askJson(`${gateway.url}${path}`, { bearer });
  await use(gone.secret);
  await operator.call("DELETE", `/admin/accounts/${gone.account}`);
  for (let call = 0; call < 5; call++) await use(free.secret);
  for (const path of ["/x", "/miss", "/fail", "/fail"]) await use(pro.secret, path);
  const body = await stats();
  expect(body).toMatchObject({
    accounts: { total: 3, active: 2, suspended: 1, deleted: 1 },
    users: { total: 0, active: 0, suspended: 0, seenLast30Days: 0 },
    // The two that failed were given back, and are no calls.
    calls: { total: 1 + 3 + 2 },
    plans: [
      { plan: "free", accounts: 2, calls: 3 },
      { plan: "pro", accounts: 1, calls: 3 },
      { plan: "idle", accounts: 0, calls: 0 },
    ],
    traffic: { limitHits: { quota_exceeded: 2, rate_limited: 0, concurrency_exceeded: 0, credits_exhausted: 0 } },
  });
  const signUps = rows(body, "signUps");
  expect(signUps).toHaveLength(30);
  expect(signUps.at(-1)).toEqual({ day: new Date().toISOString().slice(0, 10), accounts: 4 });
  expect(signUps.slice(0, -1).every(({ accounts }) => accounts === 0)).toBe(true);
  const traffic = body.traffic;
  if (typeof traffic !== "object" || traffic === null) throw new Error("No traffic");
  // Ten requests came to the route, of which two were refused and two failed.
  expect(rows({ ...traffic }, "routes").find(({ route }) => route === "all")).toEqual({
    route: "all",
    requests: 10,
    clientErrors: 3,
    serverErrors: 2,
    errorRate: 0.2,
  });
});

test("calls are counted in a time, and by the plan an account has now", async () => {
  const past = await stats("?from=2020-01-01T00:00:00Z&to=2020-02-01T00:00:00Z");
  expect(past).toMatchObject({ calls: { total: 0, from: "2020-01-01T00:00:00.000Z" } });
  await operator.call("POST", "/admin/accounts/bulk", {
    filter: {},
    action: "setPlan",
    plan: "idle",
    dryRun: false,
    expected: 3,
  });
  expect(await planOf("idle")).toMatchObject({ accounts: 3, calls: 5 });
});

test.each([
  "from=x",
  "from=2020-01-01",
  "to=1e3",
  "from=2020-01-02T00:00:00Z&to=2020-01-01T00:00:00Z",
  "by=day",
  "from=1&from=2",
])("refuses %s", async (query) => {
  expect(await operator.call("GET", `/admin/stats?${query}`)).toMatchObject({
    status: 400,
    body: { error: "malformed_request" },
  });
});

test("are there when no gateway runs, but for its traffic", async () => {
  await gateway.stop();
  const answer = await gateway.cli("stats", "--json");
  expect(answer.code).toBe(0);
  expect(answer.json()).toMatchObject({ accounts: { total: 3 }, calls: { total: 6 }, traffic: null });
});
