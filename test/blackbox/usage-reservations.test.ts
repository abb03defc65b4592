/** Reservations through the real process: exact beside requests on two workers, refused like them. */
import { afterAll, expect, test } from "vitest";
import { until } from "#test/support/until.ts";
import { askJson, startScene, text } from "#test/support/scene.ts";

const LIMIT = 100;
const config = {
  meters: { api_calls: {}, minutes: {}, peak: { aggregate: "max" } },
  plans: {
    free: {
      default: true,
      quotas: { api_calls: { limit: LIMIT, per: "month" }, minutes: { limit: 5, per: "day", status: 402 } },
    },
    paid: { quotas: { minutes: { limit: 0, per: "day", exceed: "credits" } } },
  },
  roles: { Admin: ["*"], Jobs: ["tollgate:usage:write"] },
};
const scene = await startScene({ config });
const { gateway, operator } = scene;
const jobs = await operator.key({ roles: ["Jobs"] });

afterAll(() => scene[Symbol.asyncDispose]());

function call(path: string, body?: unknown, bearer = jobs.secret, url = gateway.url) {
  return askJson(`${url}/_tollgate/usage/reservations${path}`, { method: "POST", body, bearer });
}

test("set aside, confirmed, released: usage shows it at each step", async () => {
  const account = await operator.account({ externalId: "acme" });
  const made = await call("", { meter: "minutes", units: 4, account: "acme", user: "u", expires: "30m" });
  expect(made).toMatchObject({
    status: 201,
    body: { account, meter: "minutes", units: 4, state: "open", user: "u", key: null },
  });
  expect(Date.parse(text(made.body, "expiresAt")) - Date.parse(text(made.body, "createdAt"))).toBe(30 * 60_000);
  expect(await operator.used(account, "minutes")).toBe(4);
  const id = text(made.body, "id");
  const confirmed = await call(`/${id}/confirm`, { units: 3 });
  expect(confirmed).toMatchObject({ status: 200, body: { id, state: "confirmed", confirmedUnits: 3 } });
  expect(await call(`/${id}/confirm`, { units: 3 })).toMatchObject({ status: 200, body: confirmed.body });
  expect(await call(`/${id}/confirm`, { units: 2 })).toMatchObject({ status: 409, body: { error: "conflict" } });
  expect((await call(`/${id}/release`)).status).toBe(409);
  expect(await operator.used(account, "minutes")).toBe(3);
});

test("without a body what was reserved is confirmed; released units come back", async () => {
  const { account } = await operator.key();
  const [one, other] = await Promise.all([2, 3].map((units) => call("", { meter: "minutes", units, account })));
  expect(await call(`/${text(one?.body ?? {}, "id")}/confirm`)).toMatchObject({
    status: 200,
    body: { confirmedUnits: 2 },
  });
  expect(await call(`/${text(other?.body ?? {}, "id")}/release`)).toMatchObject({
    status: 200,
    body: { state: "released" },
  });
  expect(await operator.used(account, "minutes")).toBe(2);
});

test("refused like a request: by quota with its status, by credits with what is needed", async () => {
  const account = await operator.account();
  expect(await call("", { meter: "minutes", units: 6, account })).toMatchObject({
    status: 402,
    body: {
      error: "quota_exceeded",
      rule: "quota:minutes",
      meter: "minutes",
      used: 0,
      limit: 5,
      remaining: 5,
      plan: "free",
      next_plan: "paid",
    },
  });
  const paying = await operator.account({ plan: "paid" });
  const refused = await call("", { meter: "minutes", units: 6, account: paying });
  expect(refused).toMatchObject({
    status: 402,
    body: { error: "credits_exhausted", credits_needed: 6, credits_left: 0 },
  });
  await operator.call("POST", `/admin/accounts/${paying}/credits`, { amount: 6 });
  expect((await call("", { meter: "minutes", units: 6, account: paying })).status).toBe(201);
});

test.each([
  ["an unknown meter", { meter: "nothing", units: 1 }, 400],
  ["a meter that does not add up", { meter: "peak", units: 1 }, 400],
  ["no units", { meter: "minutes" }, 400],
  ["none at all", { meter: "minutes", units: 0 }, 400],
  ["negative units", { meter: "minutes", units: -1 }, 400],
  ["a fraction", { meter: "minutes", units: 1.5 }, 400],
  ["huge units", { meter: "minutes", units: 1e300 }, 400],
  ["units as a text", { meter: "minutes", units: "1" }, 400],
  ["more than a day", { meter: "minutes", units: 1, expires: "25h" }, 400],
  ["no duration", { meter: "minutes", units: 1, expires: "soon" }, 400],
  ["a duration beyond all numbers", { meter: "minutes", units: 1, expires: "99999999999999999d" }, 400],
  ["an unknown member", { meter: "minutes", units: 1, unit: 1 }, 400],
  ["an account that is not there", { meter: "minutes", units: 1, account: "acct_none" }, 404],
  ["a key that is not there", { meter: "minutes", units: 1, key: "key_none" }, 400],
])("%s is refused", async (_name, body, status) => {
  expect((await call("", body)).status).toBe(status);
});

test("what is not there, and who may not", async () => {
  expect((await call("/rsv_none/confirm", { units: 1 })).status).toBe(404);
  expect((await call("/rsv_none/release")).status).toBe(404);
  const admin = await operator.key({ roles: ["Admin"] });
  for (const path of ["", "/rsv_none/confirm", "/rsv_none/release"])
    expect(await call(path, {}, admin.secret)).toMatchObject({ status: 403, body: { error: "permission_denied" } });
});

test("requests and reservations at once against the same limit let exactly as many through as it has", async () => {
  const key = await operator.key();
  const requests = Array.from({ length: 150 }, () =>
    fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${key.secret}` } }).then(
      ({ status }) => status === 200,
    ),
  );
  const holds = Array.from({ length: 150 }, () =>
    call("", { meter: "api_calls", units: 1, account: key.account }).then(({ status }) => status === 201),
  );
  const passed = (await Promise.all([...requests, ...holds])).filter(Boolean).length;
  expect(passed).toBe(LIMIT);
  expect(await operator.used(key.account)).toBe(LIMIT);
});

test("one that nobody settles comes back by itself", async () => {
  const account = await operator.account();
  expect((await call("", { meter: "minutes", units: 5, account, expires: "1s" })).status).toBe(201);
  expect((await call("", { meter: "minutes", units: 1, account })).status).toBe(402);
  await until("the units are back", async () => (await operator.used(account, "minutes")) === 0);
  expect((await call("", { meter: "minutes", units: 5, account })).status).toBe(201);
});
