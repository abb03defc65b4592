/** The admin API: accounts and keys, lists, faults, and the metrics. */
import { afterAll, expect, test } from "vitest";
import { rows, startScene, text } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const scene = await startScene({
  config: {
    plans: {
      free: { default: true, quotas: { api_calls: { limit: 3, per: "month" } } },
      pro: { quotas: { api_calls: { limit: 10, per: "month" } } },
    },
  },
});
const { gateway, operator } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/);

test("an account is made, found by either id, changed, suspended and activated", async () => {
  const made = await operator.call("POST", "/admin/accounts", { name: "Acme", externalId: "proj/1", plan: "pro" });
  expect(made).toMatchObject({
    status: 201,
    body: {
      id: expect.stringMatching(/^acct_/),
      externalId: "proj/1",
      name: "Acme",
      state: "active",
      plan: "pro",
      billingAnchor: TIME,
      createdAt: TIME,
    },
  });
  const id = text(made.body, "id");
  // Shown alone, an account has its usage and counts too.
  const shown = { ...(await operator.call("GET", `/admin/accounts/${id}`)).body };
  expect(shown).toMatchObject(made.body);
  expect((await operator.call("GET", "/admin/accounts/proj%2F1")).body).toEqual(shown);
  const changed = await operator.call("PATCH", `/admin/accounts/${id}`, {
    name: "Acme 2",
    plan: null,
    state: "suspended",
  });
  expect(changed.body).toEqual({ ...made.body, name: "Acme 2", plan: null, state: "suspended" });
  expect((await operator.call("PATCH", `/admin/accounts/${id}`, { state: "active" })).body).toMatchObject({
    state: "active",
  });
});

test("an external id is given to one account only", async () => {
  const wish = { name: "One", externalId: "taken" };
  expect((await operator.call("POST", "/admin/accounts", wish)).status).toBe(201);
  expect(await operator.call("POST", "/admin/accounts", wish)).toMatchObject({
    status: 409,
    body: { error: "conflict" },
  });
});

test("a key is made, listed without its secret and revoked", async () => {
  const account = await operator.account();
  const made = await operator.call("POST", "/admin/keys", {
    account,
    roles: ["User"],
    scopes: ["a"],
    env: "test",
    expires: "1h",
  });
  expect(made.body).toMatchObject({
    id: expect.stringMatching(/^key_/),
    account,
    env: "test",
    roles: ["User"],
    scopes: ["a"],
    expiresAt: TIME,
    revokedAt: null,
  });
  expect(text(made.body, "key")).toMatch(/^tg_sk_test_/);
  const { key: _secret, ...shown } = made.body;
  expect((await operator.call("GET", `/admin/keys?account=${account}`)).body).toEqual({
    data: [shown],
    nextCursor: null,
  });
  const revoked = await operator.call("DELETE", `/admin/keys/${text(shown, "id")}`);
  expect(revoked.body).toEqual({ ...shown, state: "revoked", revokedAt: TIME });
  expect((await operator.call("DELETE", `/admin/keys/${text(shown, "id")}`)).body).toEqual(revoked.body);
});

test.each([
  ["POST", "/admin/accounts", {}, "body/name"],
  ["POST", "/admin/accounts", { name: "" }, "body/name"],
  ["POST", "/admin/accounts", { name: "A", nmae: "B" }, "body/nmae"],
  ["POST", "/admin/accounts", { name: 5 }, "body/name"],
  ["POST", "/admin/accounts", { name: "A", plan: 0 }, "body/plan"],
  ["POST", "/admin/keys", { account: "x", scopes: "" }, "body/scopes"],
  ["POST", "/admin/keys", { roles: [] }, "body/account"],
  ["POST", "/admin/keys", { account: "x", env: "prod" }, "body/env"],
  ["GET", "/admin/accounts?limit=0", undefined, "querystring/limit"],
  ["GET", "/admin/accounts?limit=many", undefined, "querystring/limit"],
])("%s %s with %j is refused with 400, naming the path of the fault", async (method, path, body, where) => {
  expect(await operator.call(method, path, body)).toMatchObject({
    status: 400,
    body: { error: "malformed_request", path: where },
  });
});

test.each([
  ["POST", "/admin/accounts", { name: "A", plan: "gold" }],
  ["POST", "/admin/accounts", "{"],
  ["GET", "/admin/usage?from=yesterday", undefined],
])("%s %s with %j is refused with 400", async (method, path, body) => {
  expect(await operator.call(method, path, body)).toMatchObject({ status: 400, body: { error: "malformed_request" } });
});

test("a key with an unknown role, and an empty change, are refused with 400", async () => {
  const account = await operator.account();
  expect(await operator.call("POST", "/admin/keys", { account, roles: ["Root"] })).toMatchObject({ status: 400 });
  expect(await operator.call("PATCH", `/admin/accounts/${account}`, {})).toMatchObject({ status: 400 });
});

test.each([
  ["GET", "/admin/accounts/acct_none", undefined],
  ["PATCH", "/admin/accounts/acct_none", { name: "A" }],
  ["GET", "/admin/accounts/acct_none/usage", undefined],
  ["DELETE", "/admin/keys/key_none", undefined],
  ["POST", "/admin/keys", { account: "acct_none" }],
  ["GET", "/admin/usage?account=acct_none", undefined],
])("%s %s of what does not exist is 404", async (method, path, body) => {
  expect(await operator.call(method, path, body)).toMatchObject({ status: 404, body: { error: "not_found" } });
});

test("accounts are paged by cursor: each once, in order, the last page without a cursor", async () => {
  for (let number = 0; number < 7; number++) await operator.account({ name: `Paged ${number}` });
  const all = rows((await operator.call("GET", "/admin/accounts?limit=1000")).body, "data").map(({ id }) => id);
  const seen: unknown[] = [];
  let cursor: unknown = null;
  do {
    const page = await operator.call(
      "GET",
      `/admin/accounts?limit=3${typeof cursor === "string" ? `&cursor=${cursor}` : ""}`,
    );
    seen.push(...rows(page.body, "data").map(({ id }) => id));
    cursor = page.body.nextCursor;
  } while (cursor !== null);
  expect(seen).toEqual(all);
  expect(new Set(seen).size).toBe(all.length);
});

test("the metrics parse, and count what happened", async () => {
  const key = await operator.key();
  const before = await metrics();
  for (const _call of [1, 2, 3, 4])
    await fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${key.secret}` } });
  await fetch(`${gateway.url}/a`);
  // A request is counted when its answer is out, which its client may see first.
  const series = "tollgate_request_duration_seconds_count";
  const after = await until("all five are counted", async () => {
    const now = await metrics();
    return (now.get(series) ?? 0) - (before.get(series) ?? 0) === 5 ? now : null;
  });
  const grown = (name: string) => (after.get(name) ?? 0) - (before.get(name) ?? 0);
  expect(grown('tollgate_requests_total{route="all",status="2xx"}')).toBe(3);
  expect(grown('tollgate_requests_total{route="all",status="4xx"}')).toBe(2);
  expect(grown('tollgate_refusals_total{code="quota_exceeded"}')).toBe(1);
  expect(grown('tollgate_refusals_total{code="credentials_missing"}')).toBe(1);
  expect(grown("tollgate_journal_records_total")).toBe(3);
  expect(grown('tollgate_request_duration_seconds_bucket{le="+Inf"}')).toBe(5);
  expect(after.get("tollgate_requests_in_flight")).toBe(0);
  expect(after.get("tollgate_workers")).toBe(2);
  expect(after.get("tollgate_config_last_reload_good")).toBe(1);
});

/** Every series by its name and labels. Throws at a line that is no sample and no comment. */
async function metrics(): Promise<ReadonlyMap<string, number>> {
  const answer = await fetch(`${gateway.adminUrl}/metrics`);
  expect(answer.headers.get("content-type")).toMatch(/^text\/plain; version=0\.0\.4/);
  const samples = (await answer.text()).split("\n").filter((line) => line !== "" && !line.startsWith("#"));
  return new Map(samples.map(sample));
}

function sample(line: string): readonly [string, number] {
  const match = /^([a-zA-Z_:][\w:]*(?:\{(?:[a-zA-Z_]\w*="(?:[^"\\]|\\.)*",?)*\})?) (\S+)$/.exec(line);
  // No lag was sampled since the scrape before: that mean is no number, which the format allows in any case of letters.
  const isNumber = match !== null && (!Number.isNaN(Number(match[2])) || /^nan$/i.test(match[2] ?? ""));
  if (match === null || !isNumber) throw new Error(`Not a sample: ${line}`);
  return [match[1] ?? "", Number(match[2])];
}
