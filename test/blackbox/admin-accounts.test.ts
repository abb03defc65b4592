/** Accounts through the admin API of a real gateway: listed, made, shown, changed, deleted and restored, each in force on the next request. */
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { ADMIN_TOKEN, askJson, rows, startScene, text } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const signing = makeKey("ES256");
const jwks = await startJwks(signing);
const config = {
  identity: {
    issuers: [
      { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { account: "project" } },
    ],
  },
  plans: {
    free: { default: true, quotas: { api_calls: { limit: 5, per: "month" } } },
    pro: { quotas: { api_calls: { limit: 1000, per: "month" } } },
    team: {},
  },
  server: { workers: 2, adminToken: ADMIN_TOKEN },
};
const scene = await startScene({ config });
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

type Json = Readonly<Record<string, unknown>>;

const patch = (id: string, body: object) => operator.call("PATCH", `/admin/accounts/${id}`, body);
const show = async (id: string) => (await operator.call("GET", `/admin/accounts/${id}`)).body;
const list = async (query: string) => (await operator.call("GET", `/admin/accounts?${query}`)).body;
const names = (page: Json) => rows(page, "data").map(({ name }) => name);
const use = (bearer: string) => askJson(`${gateway.url}/x`, { bearer });
const token = (project: string) =>
  signToken(signing, { claims: { iss: jwks.issuer, aud: "api", sub: "ann", project } });
const entry = async (id: string, action: string) => {
  const { body } = await operator.call("GET", `/admin/audit?target=${id}&action=${action}&limit=1`);
  return rows(body, "data")[0];
};
const TIME = expect.stringMatching(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d+Z$/);

describe("the list", () => {
  beforeAll(async () => {
    await operator.account({ name: "Zeta", email: "boss@zeta.example", plan: "pro" });
    await operator.account({ name: "alpha 100%", externalId: "list-alpha" });
    await operator.account({ name: "Beta_1", externalId: "list-beta", plan: "team" });
    const gone = await operator.account({ name: "Gone", email: "gone@zeta.example" });
    await operator.call("DELETE", `/admin/accounts/${gone}`);
    const bad = await operator.account({ name: "Bad", plan: "team" });
    await patch(bad, { state: "suspended" });
  });

  test("is searched in names, e-mails and ids, in any case and literally", async () => {
    expect(names(await list("search=ZETA.EX"))).toEqual(["Zeta"]);
    expect(names(await list("search=LIST-&sort=name"))).toEqual(["alpha 100%", "Beta_1"]);
    expect(names(await list("search=0%25"))).toEqual(["alpha 100%"]);
    expect(names(await list("search=a_1"))).toEqual(["Beta_1"]);
    expect(names(await list("search=a%25_"))).toEqual([]);
  });

  test("is narrowed to a state and a plan, and says how many there are when asked", async () => {
    expect(await list("state=suspended&count=true")).toMatchObject({
      data: [{ name: "Bad" }],
      total: 1,
      nextCursor: null,
    });
    expect(names(await list("state=deleted"))).toEqual(["Gone"]);
    expect(names(await list("plan=team&sort=-name"))).toEqual(["Beta_1", "Bad"]);
    expect(names(await list("plan=team&state=active"))).toEqual(["Beta_1"]);
    expect(names(await list("plan=free"))).toContain("alpha 100%");
    expect(await list("")).not.toHaveProperty("total");
  });

  test.each(["created", "-created", "name", "-name", "seen", "-seen"])("is paged by %s without loss", async (sort) => {
    const whole = names(await list(`sort=${sort}&limit=1000`));
    const found: unknown[] = [];
    for (let cursor: unknown = null; ; ) {
      const at = typeof cursor === "string" ? `&cursor=${cursor}` : "";
      const page = await list(`sort=${sort}&limit=2${at}`);
      found.push(...names(page));
      cursor = page.nextCursor;
      if (cursor === null) break;
    }
    expect(found).toEqual(whole);
  });

  test.each([
    "limit=0",
    "limit=1e9",
    "limit=1001",
    "limit=x",
    "limit=1&limit=2",
    "sort=__proto__",
    "sort=plan",
    "sort=name;DROP TABLE accounts",
    "state=gone",
    "search=",
    `search=${"a".repeat(201)}`,
    "cursor=x",
    "cursor=acct_1",
    `cursor=${Buffer.from('["created",1]').toString("base64url")}`,
    `cursor=${Buffer.from('["created","1","acct_1"]').toString("base64url")}`,
    `cursor=${Buffer.from('["created",1e999,"acct_1"]').toString("base64url")}`,
    `cursor=${Buffer.from('["name","a","acct_1"]').toString("base64url")}`,
    `cursor=${Buffer.from('["created",1,{"x":1}]').toString("base64url")}`,
    `cursor=${Buffer.from('{"__proto__":1}').toString("base64url")}`,
    "nothing=1",
    "count=maybe",
  ])("refuses %s", async (query) => {
    expect(await operator.call("GET", `/admin/accounts?${query}`)).toMatchObject({
      status: 400,
      body: { error: "malformed_request" },
    });
  });
});

test("an account is shown with its plan, usage, and what belongs to it", async () => {
  const { account, secret } = await operator.key({
    account: await operator.account({ email: "a@b.example", plan: "pro" }),
  });
  await use(secret);
  expect(await show(account)).toMatchObject({
    id: account,
    email: "a@b.example",
    plan: "pro",
    currentPlan: "pro",
    planUntil: null,
    trialUntil: null,
    subscription: null,
    usage: [{ meter: "api_calls", used: 1, limit: 1000 }],
    counts: { keys: 1, members: 0, sessions: 0 },
  });
  expect(await show(await operator.account())).toMatchObject({ plan: null, currentPlan: "free", lastSeenAt: null });
});

test("when an account was last seen is known soon after, by key or by token", async () => {
  const byKey = await operator.key();
  await use(byKey.secret);
  await use(token("seen-by-token"));
  const isSeen = async (id: string) => (await show(id)).lastSeenAt !== null;
  await until(
    "both are seen",
    async () => (await isSeen(byKey.account)) && (await isSeen("seen-by-token")),
    30_000,
    100,
  );
  expect(await show(byKey.account)).toMatchObject({ lastSeenAt: TIME });
  expect(names(await list("sort=-seen&limit=2")).toSorted()).toEqual(["A", "seen-by-token"]);
});

describe("a plan for a time", () => {
  test("is in force at once, ends by itself, once, and the next one is in force then", async () => {
    const { account, secret } = await operator.key();
    const { body } = await patch(account, { plan: "pro", planDuration: "2s", planAfter: "team" });
    expect(body).toMatchObject({ plan: "pro", planAfter: "team", planUntil: TIME });
    expect((await use(secret)).headers.get("ratelimit")).toContain("api_calls");
    await until("the plan ends", async () => (await show(account)).plan === "team", 10_000, 50);
    expect(Date.now()).toBeGreaterThanOrEqual(Date.parse(text(body, "planUntil")));
    expect((await use(secret)).headers.get("ratelimit")).toBeNull();
    expect(await show(account)).toMatchObject({ planUntil: null, planAfter: null });
    const ended = await operator.call("GET", `/admin/audit?target=${account}&action=account.plan_ended`);
    expect(rows(ended.body, "data")).toMatchObject([
      {
        actor: { kind: "gateway" },
        before: { plan: "pro", planUntil: body.planUntil },
        after: { plan: "team", planUntil: null },
      },
    ]);
    const events = await operator.call("GET", `/admin/events?account=${account}`);
    expect(rows(events.body, "data")).toMatchObject([
      { type: "plan.ended", data: { plan: "pro", next: "team", until: body.planUntil } },
    ]);
  });

  test("a plan without a term is had for good, and a term alone is one of the plan there is", async () => {
    const id = await operator.account({ plan: "team" });
    expect((await patch(id, { planDuration: "30d" })).body).toMatchObject({
      plan: "team",
      planUntil: TIME,
      planAfter: null,
    });
    expect((await patch(id, { planAfter: "pro" })).body).toMatchObject({
      plan: "team",
      planUntil: TIME,
      planAfter: "pro",
    });
    expect((await patch(id, { plan: "pro" })).body).toMatchObject({ plan: "pro", planUntil: null, planAfter: null });
    const far = "2999-01-01T00:00:00Z";
    expect((await patch(id, { planUntil: far })).body).toMatchObject({
      plan: "pro",
      planUntil: "2999-01-01T00:00:00.000Z",
    });
    expect((await patch(id, { planUntil: null })).body).toMatchObject({ plan: "pro", planUntil: null });
  });

  test("a trial is extended from its end, or from now, by two at once twice", async () => {
    const id = await operator.account();
    const day = 86_400_000;
    const first = Date.parse(text((await patch(id, { extendTrial: "14d" })).body, "trialUntil"));
    expect(Math.abs(first - Date.now() - 14 * day)).toBeLessThan(60_000);
    await Promise.all([patch(id, { extendTrial: "1d" }), patch(id, { extendTrial: "1d" })]);
    expect(Date.parse(text(await show(id), "trialUntil"))).toBe(first + 2 * day);
    expect(await entry(id, "account.trial_changed")).toMatchObject({ after: { trialUntil: TIME } });
    expect((await patch(id, { trialUntil: null })).body).toMatchObject({ trialUntil: null });
  });

  test.each([
    { plan: "nope" },
    { planAfter: "nope", planDuration: "1d" },
    { planAfter: "pro" },
    { plan: "pro", planAfter: "free" },
    { planDuration: "1d", planUntil: "2999-01-01T00:00:00Z" },
    { planUntil: "2020-01-01T00:00:00Z" },
    { planUntil: "soon" },
    { planDuration: "0d" },
    { planDuration: "-1d" },
    { planDuration: "999999d", extendTrial: "1y" },
    { extendTrial: "1d", trialUntil: null },
    { email: "nobody" },
    { email: "a@b\r\nBcc: c@d" },
    { externalId: "other" },
    { state: "deleted" },
    { id: "acct_1" },
    { reason: "" },
    {},
  ])("refuses %j, and nothing is changed", async (body) => {
    const id = await operator.account();
    const before = await show(id);
    expect(await patch(id, body)).toMatchObject({ status: 400, body: { error: "malformed_request" } });
    expect(await show(id)).toEqual(before);
  });
});

describe("suspend and activate", () => {
  test("are in force on the next request, with the reason in the audit log", async () => {
    const { account, secret } = await operator.key();
    const done = await operator.call("POST", `/admin/accounts/${account}/suspend`, { reason: "Unpaid" });
    expect(done).toMatchObject({ status: 200, body: { state: "suspended" } });
    expect(await use(secret)).toMatchObject({ status: 403 });
    expect(await entry(account, "account.suspended")).toMatchObject({
      after: { state: "suspended", reason: "Unpaid" },
    });
    expect(await operator.call("POST", `/admin/accounts/${account}/activate`)).toMatchObject({
      body: { state: "active" },
    });
    expect(await use(secret)).toMatchObject({ status: 200 });
  });
});

describe("a deletion", () => {
  test("refuses its keys and tokens at once, frees the e-mail, and is undone without its keys", async () => {
    const id = await operator.account({ externalId: "to-delete", email: "free@me.example" });
    const one = await operator.key({ account: id });
    const two = await operator.key({ account: id });
    expect([await use(one.secret), await use(token("to-delete"))]).toMatchObject([{ status: 200 }, { status: 200 }]);
    const deleted = await operator.call("DELETE", `/admin/accounts/${id}`, { reason: "Asked for" });
    expect(deleted).toMatchObject({ status: 200, body: { state: "deleted", email: null, deletedAt: TIME } });
    for (const bearer of [one.secret, two.secret, token("to-delete")]) expect((await use(bearer)).status).toBe(401);
    expect(await entry(id, "account.deleted")).toMatchObject({
      before: { state: "active" },
      after: { state: "deleted", reason: "Asked for" },
    });
    expect(await entry(two.id, "key.revoked")).toMatchObject({ account: id });
    // Its external id stays taken: nobody gets what it left behind.
    expect(await operator.call("POST", "/admin/accounts", { name: "x", externalId: "to-delete" })).toMatchObject({
      status: 409,
    });
    expect(await patch(id, { name: "x" })).toMatchObject({ status: 409, body: { error: "conflict" } });
    expect(await operator.call("POST", "/admin/keys", { account: id })).toMatchObject({ status: 409 });
    expect(await operator.call("POST", `/admin/accounts/${id}/credits`, { amount: 1 })).toMatchObject({ status: 409 });
    expect(await operator.call("DELETE", `/admin/accounts/${id}`)).toMatchObject({
      status: 200,
      body: { deletedAt: deleted.body.deletedAt },
    });
    expect(await operator.call("POST", `/admin/accounts/${id}/restore`)).toMatchObject({
      body: { state: "active", deletedAt: null },
    });
    expect([(await use(token("to-delete"))).status, (await use(one.secret)).status]).toEqual([200, 401]);
  });

  test("of one that is suspended comes back suspended", async () => {
    const id = await operator.account();
    await patch(id, { state: "suspended" });
    await operator.call("DELETE", `/admin/accounts/${id}`);
    expect(await operator.call("POST", `/admin/accounts/${id}/restore`)).toMatchObject({
      body: { state: "suspended" },
    });
  });
});

test.each(["suspend", "activate", "restore"])("%s of nobody is 404", async (action) => {
  expect(await operator.call("POST", `/admin/accounts/acct_none/${action}`)).toMatchObject({ status: 404 });
});
