/** Clearing the rates of an account of a real gateway: it starts whole again, exactly, and nobody else does. */
import { afterAll, expect, test } from "vitest";
import { ADMIN_TOKEN, askJson, startScene } from "#test/support/scene.ts";

const LIMIT = 5;
const hour = { limit: LIMIT, per: "1h" };
const route = (name: string) => ({ name, match: { path: `/${name}/**` }, upstream: "app", rates: [name] });
const RATES = {
  account: { ...hour, by: "account" },
  key: { ...hour, by: "key", algorithm: "fixed-window" },
  route: { ...hour, by: ["account", "route"], algorithm: "sliding-window" },
  mixed: { ...hour, by: ["account", "ip"] },
  second: { ...hour, by: "account" },
  address: { ...hour, by: "ip" },
};
const scene = await startScene({
  config: { rates: RATES, routes: Object.keys(RATES).map(route), server: { workers: 2, adminToken: ADMIN_TOKEN } },
});
const { gateway, operator } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

/** Of so many requests at once, over both workers. */
async function passed(bearer: string, rate: string, count = 3 * LIMIT): Promise<number> {
  const calls = Array.from({ length: count }, () => askJson(`${gateway.url}/${rate}/x`, { bearer }));
  return (await Promise.all(calls)).filter(({ status }) => status === 200).length;
}
const clear = (id: string, body?: object) => operator.call("POST", `/admin/accounts/${id}/clear-limits`, body);

test.each(["account", "key", "route", "mixed", "second"])(
  "the rate by %s begins anew, for this account alone",
  async (rate) => {
    const one = await operator.key();
    const other = await operator.key();
    expect([await passed(one.secret, rate), await passed(other.secret, rate)]).toEqual([LIMIT, LIMIT]);
    expect(await clear(one.account)).toMatchObject({
      status: 200,
      body: { account: one.account, cleared: 5, rates: ["account", "key", "route", "mixed", "second"] },
    });
    expect([await passed(one.secret, rate), await passed(other.secret, rate)]).toEqual([LIMIT, 0]);
    expect(await clear(one.account, { rates: [rate] })).toMatchObject({ body: { cleared: 1, rates: [rate] } });
    expect(await passed(one.secret, rate)).toBe(LIMIT);
  },
);

test("only the rates that are named, and never one that is everybody's", async () => {
  const { account, secret } = await operator.key();
  expect([await passed(secret, "account"), await passed(secret, "key")]).toEqual([LIMIT, LIMIT]);
  await clear(account, { rates: ["key"] });
  expect([await passed(secret, "account"), await passed(secret, "key")]).toEqual([0, LIMIT]);
  await passed(secret, "address");
  await clear(account);
  expect(await passed(secret, "address")).toBe(0);
  const refused = await clear(account, { rates: ["address"] });
  expect(refused).toMatchObject({ status: 400, body: { error: "malformed_request" } });
});

test("while requests are under way, no more pass than before and after together", async () => {
  const { account, secret } = await operator.key();
  const count = passed(secret, "account", 60);
  await clear(account);
  expect((await count) + (await passed(secret, "account"))).toBeLessThanOrEqual(2 * LIMIT);
});

test("a key's own rate begins anew with all, and it is cleared for a reload too", async () => {
  const account = await operator.account();
  const made = await operator.call("POST", "/admin/keys", {
    account,
    roles: ["Admin"],
    limits: { rates: [{ limit: 2, per: "1h" }] },
  });
  const secret = String(made.body.key);
  expect(await passed(secret, "mixed")).toBe(2);
  await clear(account);
  expect(await passed(secret, "mixed")).toBe(2);
  await gateway.reload();
  expect(await passed(secret, "mixed")).toBe(0);
});

test.each([
  { rates: ["nope"] },
  { rates: ["__proto__"] },
  { rates: ["*"] },
  { rates: [] },
  { rates: "account" },
  { rate: ["account"] },
  { rates: [1] },
])("refuses %j", async (body) => {
  expect(await clear(await operator.account(), body)).toMatchObject({
    status: 400,
    body: { error: "malformed_request" },
  });
});

test("of nobody is 404", async () => {
  expect(await clear("acct_none")).toMatchObject({ status: 404 });
});
