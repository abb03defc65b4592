/** What a user has used, as a real gateway tells it: by account and meter, of their tokens and of what was reported of them, in a time. */
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { ADMIN_TOKEN, askJson, startScene, text } from "#test/support/scene.ts";

const jwks = await startJwks();
const claims = { account: "org" };
const issuer = { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims };
const scene = await startScene({
  config: {
    timeZone: "Europe/Berlin",
    server: { workers: 2, adminToken: ADMIN_TOKEN },
    identity: { issuers: [issuer] },
    meters: { api_calls: {}, peak: { aggregate: "max" }, seats: { aggregate: "last" } },
    plans: { free: { default: true }, pro: {} },
  },
});
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const tokenOf = (sub: string, org: string) => jwks.token({ claims: { aud: "api", org, sub } });
async function use(bearer: string, times: number): Promise<void> {
  for (let n = 0; n < times; n++) expect((await askJson(`${gateway.url}/x`, { bearer })).status).toBe(200);
}

const usageOf = (user: string, query = "") => operator.call("GET", `/admin/users/${user}/usage${query}`);

test("what a user's tokens used, account by account; not that of others, nor of keys they might have made", async () => {
  const [beta, alpha] = [
    await operator.account({ externalId: "beta" }),
    await operator.account({ externalId: "alpha" }),
  ];
  await use(tokenOf("ada", "alpha"), 3);
  await use(tokenOf("ada", "beta"), 2);
  await use(tokenOf("bob", "alpha"), 5);
  await use((await operator.key({ account: alpha })).secret, 4);
  const { status, body } = await usageOf("ada");
  const line = (account: string, externalAccount: string, units: number) => {
    return { account, externalAccount, meter: "api_calls", units, requests: units };
  };
  const data = [line(alpha, "alpha", 3), line(beta, "beta", 2)].toSorted((a, b) => (a.account < b.account ? -1 : 1));
  const user = text((await operator.call("GET", "/admin/users/ada")).body, "id");
  expect({ status, body }).toMatchObject({
    status: 200,
    body: { user, externalId: "ada", timeZone: "Europe/Berlin", data, truncated: false },
  });
  expect((await usageOf(user, "?limit=1")).body).toMatchObject({ data: [data[0]], truncated: true });
  expect((await usageOf("bob")).body.data).toEqual([line(alpha, "alpha", 5)]);
  const { body: shown } = await operator.call("GET", "/admin/users/ada");
  expect((await operator.call("GET", text(shown, "usagePath"))).body.data).toEqual(data);
  await operator.call("PATCH", "/admin/accounts/beta", { plan: "pro" });
  expect((await operator.call("GET", "/admin/users/ada")).body.members).toMatchObject([
    { account: alpha, plan: "free", subscription: null },
    { account: beta, plan: "pro" },
  ]);
});

test("usage that is reported counts by how its meter adds up, and without a user it is nobody's", async () => {
  await operator.call("POST", "/admin/users", { externalId: "rep" });
  const account = await operator.account({ externalId: "reports" });
  const report = (id: string, meter: string, value: number, user?: string) =>
    operator.call("POST", "/admin/usage/events", {
      id,
      source: "jobs",
      type: meter,
      subject: account,
      data: { value, user },
    });
  const at = [
    await report("1", "api_calls", 5, "rep"),
    await report("2", "api_calls", 7, "rep"),
    await report("3", "peak", 9, "rep"),
    await report("4", "peak", 4, "rep"),
    await report("5", "api_calls", 100),
  ];
  expect(at.map(({ status }) => status)).toEqual([200, 200, 200, 200, 200]);
  expect((await usageOf("rep")).body.data).toMatchObject([
    { account, meter: "api_calls", units: 12 },
    { account, meter: "peak", units: 9 },
  ]);
});

test("the minutes of a time, by default of this month in the file's zone", async () => {
  await operator.call("POST", "/admin/users", { externalId: "old" });
  const { body } = await usageOf("old");
  const month = new Intl.DateTimeFormat("en-CA", { timeZone: "Europe/Berlin", dateStyle: "short" }).format(new Date());
  const zone = new Intl.DateTimeFormat("en-CA", { timeZone: "Europe/Berlin", dateStyle: "short", timeStyle: "short" });
  expect(zone.format(new Date(text(body, "from")))).toMatch(new RegExp(`^${month.slice(0, 7)}-01, (12|24):00`));
  expect(Math.abs(Date.parse(text(body, "to")) - Date.now())).toBeLessThan(60_000);
  const db = new SQLite(join(gateway.dir, "data", "tollgate.db"));
  const put =
    db.prepare(`INSERT INTO usage (account, meter, minute, route, key, user, status, op, units, requests, at_ms)
    VALUES ('acct_gone', @meter, @minute, 'r', '', 'old', 200, @op, @units, 1, @at)`);
  const minute = (time: string) => Date.parse(`2026-03-${time}Z`);
  for (const [time, op, units] of [
    ["01T00:00", "add", 1],
    ["01T00:01", "add", 2],
    ["10T12:00", "add", 4],
    // A day later to the minute: what is read in steps is read once.
    ["11T12:00", "add", 16],
    ["31T23:59", "add", 8],
  ] as const)
    put.run({ meter: "api_calls", minute: minute(time), op, units, at: 0 });
  // A gauge: what was seen last, be it in an earlier row or not. Then the meter has become a sum.
  put.run({ meter: "seats", minute: minute("10T12:00"), op: "set", units: 30, at: minute("10T12:00") + 5 });
  put.run({ meter: "seats", minute: minute("11T12:00"), op: "set", units: 20, at: minute("11T12:00") + 5 });
  db.close();
  const units = async (from: string, to: string) => {
    const answer = await usageOf("old", `?from=2026-${from}Z&to=2026-${to}Z`);
    expect(answer.status).toBe(200);
    return Object.fromEntries(
      (answer.body.data as { meter: string; units: number }[]).map((one) => [one.meter, one.units]),
    );
  };
  expect(await units("03-01T00:00:00", "04-01T00:00:00")).toEqual({ api_calls: 31, seats: 20 });
  expect(await units("03-01T00:01:30", "03-31T23:59:00")).toEqual({ api_calls: 22, seats: 20 });
  expect(await units("03-01T00:00:00", "03-01T00:01:00")).toEqual({ api_calls: 1 });
  expect(await units("03-10T12:00:00", "03-10T12:00:01")).toEqual({ api_calls: 4, seats: 30 });
  expect(await units("03-10T12:01:00", "03-11T12:00:00")).toEqual({});
  // The month that ends there, in Berlin from 23:00 UTC on.
  const { body: march } = await usageOf("old", "?to=2026-03-31T22:00:00Z");
  expect(march).toMatchObject({ from: "2026-02-28T23:00:00.000Z", data: [{ externalAccount: null, units: 23 }, {}] });
});

test.each([
  ["?from=yesterday", "querystring/from"],
  ["?to=2026-13-01T00:00:00Z", "querystring/to"],
  ["?from=2026-03-02T00:00:00Z&to=2026-03-01T00:00:00Z", "querystring/from"],
  ["?limit=0", "querystring/limit"],
  ["?month=3", "querystring/month"],
])("refuses %s at %s", async (query, path) => {
  await operator.call("POST", "/admin/users", { externalId: "asked" });
  expect(await usageOf("asked", query)).toMatchObject({ status: 400, body: { error: "malformed_request", path } });
});

test("a user that there is not has none", async () => {
  expect(await usageOf("nobody")).toMatchObject({ status: 404, body: { error: "not_found" } });
});
