/** Reported usage through the real process: who may, in which forms, what limits see of it at once, and that a crash counts nothing twice. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { ADMIN_TOKEN, askJson, operatorOf, rows, sceneConfig, startScene } from "#test/support/scene.ts";
import { startGateway } from "#test/support/process.ts";

const config = {
  meters: { api_calls: {}, minutes: {}, peak: { aggregate: "max" } },
  plans: {
    free: { default: true, quotas: { api_calls: { limit: 10, per: "month" }, minutes: { limit: 100, per: "day" } } },
  },
  roles: { Admin: ["*"], Reporter: ["tollgate:usage:write"], Gatekeeper: ["tollgate:*"] },
};
const scene = await startScene({ config });
const { gateway, operator, upstream } = scene;
const reporter = await operator.key({ roles: ["Reporter"] });
const admin = await operator.key({ roles: ["Admin"] });
const nobody = await operator.key({ roles: [] });

afterAll(() => scene[Symbol.asyncDispose]());

let ids = 0;
function event(part: object = {}): Record<string, unknown> {
  return { id: `e${++ids}`, source: "app", type: "minutes", ...part };
}

const TYPES = {
  one: "application/cloudevents+json; charset=utf-8",
  batch: "application/cloudevents-batch+json",
  plain: "application/json",
};

async function post(
  body: unknown,
  secret: string | null = reporter.secret,
  type = TYPES.plain,
  path = "/_tollgate/usage/events",
) {
  const answer = await fetch(`${path.startsWith("/admin") ? gateway.adminUrl : gateway.url}${path}`, {
    method: "POST",
    // A refusal that comes before the end of the body leaves the connection to nobody else.
    headers: {
      connection: "close",
      "content-type": type,
      ...(secret === null ? {} : { authorization: `Bearer ${secret}` }),
    },
    body: typeof body === "string" ? body : JSON.stringify(body),
  });
  const content: Record<string, unknown> = JSON.parse(await answer.text());
  return { status: answer.status, body: content };
}

function outcomes(body: Record<string, unknown>): readonly unknown[] {
  return rows(body, "data").map(({ status, error }) => error ?? status);
}

describe("only who is permitted may report", () => {
  test.each([
    ["nobody", null, 401, "credentials_missing"],
    ["whoever has *", admin.secret, 403, "permission_denied"],
    ["whoever has no role", nobody.secret, 403, "permission_denied"],
    ["the admin token", ADMIN_TOKEN, 401, "credentials_invalid"],
  ])("%s may not", async (_who, secret, status, error) => {
    const answer = await post(event(), secret);
    expect(answer).toMatchObject({ status, body: { error } });
  });

  test.each(["Reporter", "Gatekeeper"])("a %s may", async (role) => {
    const key = await operator.key({ roles: [role] });
    expect(await post(event(), key.secret)).toMatchObject({ status: 200 });
    expect(await operator.used(key.account, "minutes")).toBe(1);
  });

  test("a missing permission is named", async () => {
    const key = await operator.key({ roles: ["Admin"] });
    expect((await post(event(), key.secret)).body).toMatchObject({ required_permission: "tollgate:usage:write" });
  });
});

test("events for any account, by its id or the operator's; without a subject they are the caller's own", async () => {
  const id = await operator.account({ externalId: "acme" });
  const events = [
    event({ subject: "acme", data: { value: 5 } }),
    event({ subject: id, data: { value: 7 } }),
    event({ data: { value: 9 } }),
  ];
  const before = await operator.used(reporter.account, "minutes");
  expect((await post(events)).status).toBe(200);
  expect(await operator.used(id, "minutes")).toBe(12);
  expect(await operator.used(reporter.account, "minutes")).toBe(before + 9);
});

test("one event and a list, as CloudEvents and plain", async () => {
  const full = () => event({ specversion: "1.0", traceparent: "00-1", datacontenttype: "application/json" });
  expect(await post(full(), reporter.secret, TYPES.one)).toMatchObject({
    status: 200,
    body: { data: [{ status: "accepted" }] },
  });
  expect(await post([full(), full()], reporter.secret, TYPES.batch)).toMatchObject({ status: 200 });
  expect(await post([], reporter.secret, TYPES.batch)).toEqual({ status: 200, body: { data: [] } });
  expect(await post(event())).toMatchObject({ status: 200 });
  expect((await post([full()], reporter.secret, TYPES.one)).status).toBe(400);
  expect((await post(full(), reporter.secret, TYPES.batch)).status).toBe(400);
  expect((await post(event(), reporter.secret, TYPES.one)).status).toBe(400);
});

test("200 when all are right, 207 with the reasons when some are not, 400 with the reasons when none is", async () => {
  const bad = event({ data: { value: -1 } });
  const some = await post([event(), bad, event({ type: "nothing" })]);
  expect([some.status, outcomes(some.body)]).toEqual([207, ["accepted", "invalid_value", "unknown_meter"]]);
  const none = await post(bad);
  expect(none).toMatchObject({ status: 400, body: { error: "malformed_request", rule: "usage:events" } });
  expect(outcomes(none.body)).toEqual(["invalid_value"]);
});

test.each([
  ["no JSON", "{", 400],
  ["NaN", '{"id":"n","source":"s","type":"minutes","data":{"value":NaN}}', 400],
  ["an endless number", '{"id":"n","source":"s","type":"minutes","data":{"value":1e999}}', 400],
  ["nothing", "", 400],
  ["more than a thousand", JSON.stringify(Array.from({ length: 1_001 }, () => 1)), 400],
  ["more than a mebibyte", JSON.stringify([event({ data: { reason: "x".repeat(1024 * 1024) } })]), 413],
])("%s is refused and the gateway lives", async (_name, body, status) => {
  expect((await post(body)).status).toBe(status);
  expect((await post(event())).status).toBe(200);
});

test("the body may be as large as it says, beyond what other endpoints take", async () => {
  const events = Array.from({ length: 1_000 }, () => event({ data: { value: 0, reason: "x".repeat(250) } }));
  expect(JSON.stringify(events).length).toBeGreaterThan(300_000);
  const { status, body } = await post(events);
  expect([status, new Set(outcomes(body))]).toEqual([200, new Set(["accepted"])]);
});

test("what is reported limits the next request, and beyond the limit goes on being counted", async () => {
  const key = await operator.key();
  const call = async () =>
    (await fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${key.secret}` } })).status;
  expect(await call()).toBe(200);
  await post(event({ type: "api_calls", subject: key.account, data: { value: 8 } }));
  expect([await call(), await call()]).toEqual([200, 429]);
  await post(event({ type: "api_calls", subject: key.account, data: { value: 30 } }));
  expect(await operator.used(key.account)).toBe(40);
});

test("a correction makes room again", async () => {
  const key = await operator.key();
  const call = async () =>
    (await fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${key.secret}` } })).status;
  const wrong = event({ type: "api_calls", subject: key.account, data: { value: 10 } });
  await post(wrong);
  expect(await call()).toBe(429);
  await post(
    event({ type: "api_calls", subject: key.account, data: { value: 9, corrects: wrong.id, reason: "one twice" } }),
  );
  expect([await call(), await call()]).toEqual([200, 429]);
});

test("the same events sent by many at once count once", async () => {
  const id = await operator.account();
  const events = Array.from({ length: 20 }, () => event({ subject: id, data: { value: 3 } }));
  const answers = await Promise.all(Array.from({ length: 10 }, () => post(events)));
  const all = answers.flatMap(({ body }) => outcomes(body));
  expect(all.filter((status) => status === "accepted")).toHaveLength(20);
  expect(all.filter((status) => status === "duplicate")).toHaveLength(180);
  expect(await operator.used(id, "minutes")).toBe(60);
});

test("requests and events at once are both counted, every one", async () => {
  const key = await operator.key({ roles: ["Reporter"] });
  const calls = Array.from({ length: 100 }, () =>
    fetch(`${gateway.url}/a`, { headers: { authorization: `Bearer ${key.secret}` } }).then(({ status }) => status),
  );
  const reports = Array.from({ length: 20 }, () =>
    post([event({ type: "api_calls" }), event({ type: "api_calls" })], key.secret),
  );
  const passed = (await Promise.all(calls)).filter((status) => status === 200).length;
  await Promise.all(reports);
  expect(await operator.used(key.account)).toBe(40 + passed);
  expect(passed).toBeLessThanOrEqual(10);
});

describe("on the admin listener", () => {
  test("the admin token reports for any account, named in each event", async () => {
    const id = await operator.account();
    const answer = await post(
      [event({ subject: id, data: { value: 4 } }), event()],
      ADMIN_TOKEN,
      TYPES.plain,
      "/admin/usage/events",
    );
    expect([answer.status, outcomes(answer.body)]).toEqual([207, ["accepted", "unknown_account"]]);
    expect(await operator.used(id, "minutes")).toBe(4);
  });

  test("ids are the same for both listeners", async () => {
    const one = event({ subject: await operator.account() });
    expect(outcomes((await post(one)).body)).toEqual(["accepted"]);
    expect(outcomes((await post(one, ADMIN_TOKEN, TYPES.plain, "/admin/usage/events")).body)).toEqual(["duplicate"]);
  });

  test("without the token nothing is taken", async () => {
    expect((await post(event(), reporter.secret, TYPES.plain, "/admin/usage/events")).status).toBe(401);
  });
});

test("killed while events come in, and sent again all of them: each counts once", async () => {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-events-"));
  try {
    const file = { ...sceneConfig(upstream.url), ...config };
    const first = await startGateway(file, { dir });
    const id = await operatorOf(first).account();
    const lists = Array.from({ length: 60 }, () => Array.from({ length: 10 }, () => event({ subject: id })));
    const send = (url: string | null, list: readonly unknown[]) =>
      askJson(`${url}/admin/usage/events`, { method: "POST", body: list, bearer: ADMIN_TOKEN }).catch(() => null);
    const answers = lists.map((list) => send(first.adminUrl, list));
    await answers[20];
    await first.kill();
    const confirmed = (await Promise.all(answers)).filter((answer) => answer?.status === 200).length;
    await first[Symbol.asyncDispose]();
    await using second = await startGateway(file, { dir });
    const used = await operatorOf(second).used(id, "minutes");
    expect(used).toBeGreaterThanOrEqual(10 * confirmed);
    expect(used % 10).toBe(0);
    for (const list of lists) expect((await send(second.adminUrl, list))?.status).toBe(200);
    expect(await operatorOf(second).used(id, "minutes")).toBe(600);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});
