/** Reported usage: what counts, what does not and why, each once, whatever is sent again, and never what has not happened. */
import { STANDARD_FORMAT } from "#core/key-format.ts";
import { UNNARROWED } from "#shared/principals.ts";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, test, vi } from "vitest";
import { eventsAfter } from "#control-plane/metering/thresholds.ts";
import { EVENT_ERRORS } from "#control-plane/metering/usage-event-reader.ts";
import { UsageSite } from "./usage-site.ts";

const MINUTE_MS = 60_000;
const HOUR_MS = 60 * MINUTE_MS;
const DAY_MS = 24 * HOUR_MS;
/** Tuesday, 24 November 2026, 09:20 UTC. */
const AT_MS = Date.UTC(2026, 10, 24, 9, 20);

/** Before any test takes the clock. */
const REAL_MS = Date.now();

const METERS = `meters: { calls: {}, peak: { aggregate: max }, seats: { aggregate: last }, disk: { aggregate: last, from: "response.header:x-disk" } }
`;
const YAML = `${METERS}plans: { free: { default: true, quotas: { calls: { limit: 100, per: day } } } }
`;

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date"], now: AT_MS });
});
afterEach(() => {
  vi.useRealTimers();
});

let ids = 0;
function event(data: unknown = {}, part: object = {}) {
  return { id: `e${++ids}`, source: "app", type: "calls", subject: "A", data, ...part };
}

function at(ms: number): string {
  return new Date(ms).toISOString();
}

/** Statuses, and of the rejected ones why. */
async function outcomes(site: UsageSite, ...events: readonly unknown[]): Promise<readonly string[]> {
  return (await site.report(events)).map(({ status, error }) => error ?? status);
}

test("an event counts its value in the minute it happened, at once in the live counter and in the ledger", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  expect(
    await outcomes(site, event({ value: 5 }), event(), event({ value: 7 }, { time: at(AT_MS - HOUR_MS) })),
  ).toEqual(["accepted", "accepted", "accepted"]);
  expect(site.live(account, "calls")).toBe(13);
  expect(await site.minutes(account.id, "calls")).toEqual([
    [AT_MS - HOUR_MS, 7],
    [AT_MS, 6],
  ]);
});

test("a threshold is told once a window and limit: those of a new plan are told too", async () => {
  const plan = (limit: number) => `{ quotas: { calls: { limit: ${limit}, per: day, thresholds: [50, 100] } } }`;
  await using site = await UsageSite.open(
    `${METERS}plans: { free: { default: true, quotas: {} }, small: ${plan(10)}, large: ${plan(40)} }\n`,
  );
  const account = await site.account("A", "small");
  await site.report([event({ value: 10 })]);
  await site.services.accounts.change(account.id, { plan: "large" });
  await site.report([event({ value: 15 }), event({ value: 5 })]);
  await site.services.accounts.change(account.id, { plan: "small" });
  await site.report([event({ value: 20 })]);
  const events = await eventsAfter(site.db, { after: 0, account: account.id, limit: 100 });
  expect(events.map(({ data }) => data)).toMatchObject([
    { plan: "small", limit: 10, threshold: 50 },
    { plan: "small", limit: 10, threshold: 100 },
    { plan: "large", limit: 40, threshold: 50 },
  ]);
});

test("key, user and route of an event are those of its usage", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const wish = {
    name: null,
    env: "live",
    roles: [],
    scopes: null,
    expiresAtMs: null,
    limits: null,
    narrowing: UNNARROWED,
  } as const;
  const { key } = await site.services.keys.create(STANDARD_FORMAT, { accountId: account.id, ...wish });
  const other = await site.account("B");
  const foreign = await site.services.keys.create(STANDARD_FORMAT, { accountId: other.id, ...wish });
  const named = { value: 2, key: key.id, user: "u1", route: "batch" };
  expect(await outcomes(site, event(named), event({ key: "key_none" }), event({ key: foreign.key.id }))).toEqual([
    "accepted",
    "unknown_key",
    "unknown_key",
  ]);
  const rows = await site.db.selectFrom("usage").selectAll().execute();
  expect(rows).toMatchObject([{ key: key.id, user: "u1", route: "batch", units: 2, requests: 0, status: 0 }]);
});

test("an event that comes again is a duplicate, one with its id and other content a conflict; both count nothing", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const one = event({ value: 5 });
  expect(await outcomes(site, one, one)).toEqual(["accepted", "duplicate"]);
  vi.setSystemTime(AT_MS + HOUR_MS);
  expect(await outcomes(site, one)).toEqual(["duplicate"]);
  expect(await outcomes(site, { ...one, data: { value: 6 } })).toEqual(["conflict"]);
  expect(await outcomes(site, { ...one, subject: account.id })).toEqual(["duplicate"]);
  expect(await outcomes(site, { ...one, source: "other app" })).toEqual(["accepted"]);
  await site.restart();
  expect(await outcomes(site, one)).toEqual(["duplicate"]);
  expect(site.live(account, "calls")).toBe(10);
});

test("an event is known for 35 days and forgotten some time later", async () => {
  // What is forgotten is forgotten by a clock that no jump brings ahead of the real one.
  vi.setSystemTime(REAL_MS - 38 * DAY_MS);
  await using site = await UsageSite.open(YAML);
  await site.account();
  const one = event();
  await site.report([one]);
  vi.setSystemTime(REAL_MS - 2 * DAY_MS);
  await site.services.events.prune();
  expect(await outcomes(site, one)).toEqual(["duplicate"]);
  vi.setSystemTime(REAL_MS);
  await site.services.events.prune();
  expect(await outcomes(site, one)).toEqual(["accepted"]);
  const old = { ...one, id: "old", time: at(REAL_MS - 38 * DAY_MS) };
  expect(await outcomes(site, old)).toEqual(["time_too_old"]);
});

describe("what is wrong with an event is said, and hinders no other", () => {
  const cases: readonly (readonly [string, unknown, string, RegExp])[] = [
    ["no object", 7, "malformed_event", /^Expected an object as event, got 7$/],
    ["null", null, "malformed_event", /got null$/],
    ["no id", event({}, { id: undefined }), "malformed_event", /^Expected a text in id, got nothing$/],
    ["an empty id", event({}, { id: "" }), "malformed_event", /1 to 255 characters in id, got 0/],
    ["a long source", event({}, { source: "x".repeat(256) }), "malformed_event", /in source, got 256/],
    ["a number as subject", event({}, { subject: 5 }), "malformed_event", /text in subject, got 5/],
    ["half a character", event({}, { id: "\ud800" }), "malformed_event", /well-formed text in id/],
    ["another version", event({}, { specversion: "0.3" }), "malformed_event", /"1\.0" in specversion, got "0\.3"/],
    ["an unknown member", event({}, { subjct: "A" }), "malformed_event", /Unknown member "subjct" in event/],
    ["an unknown member of data", event({ vlaue: 5 }), "malformed_event", /Unknown member "vlaue" in data/],
    ["data that is no object", event("5"), "malformed_event", /an object as data, got "5"/],
    ["data in base 64", event({}, { data_base64: "e30=" }), "malformed_event", /data/],
    [
      "data that is no JSON",
      event({}, { datacontenttype: "text/xml" }),
      "malformed_event",
      /application\/json in datacontenttype/,
    ],
    [
      "a time without offset",
      event({}, { time: "2026-11-24T09:20:00" }),
      "malformed_event",
      /RFC 3339 .* in time, got "2026-11-24T09:20:00"/,
    ],
    ["a day that does not exist", event({}, { time: "2026-02-30T00:00:00Z" }), "malformed_event", /RFC 3339/],
    ["a time as a number", event({}, { time: AT_MS }), "malformed_event", /RFC 3339/],
    ["a negative value", event({ value: -1 }), "invalid_value", /at least 0 in data\.value, got -1; data\.corrects/],
    ["a fraction", event({ value: 1.5 }), "invalid_value", /whole number .* got 1\.5/],
    ["a huge value", event({ value: 1e16 }), "invalid_value", /at most 1000000000000000 .* got 10000000000000000/],
    ["an infinite value", event({ value: Number.POSITIVE_INFINITY }), "invalid_value", /got Infinity/],
    ["NaN", event({ value: Number.NaN }), "invalid_value", /got NaN/],
    ["a value as a text", event({ value: "5" }), "invalid_value", /got "5"/],
    ["null as a value", event({ value: null }), "invalid_value", /got null/],
    ["no value of a maximum", event({}, { type: "peak" }), "invalid_value", /in data\.value, got nothing/],
    ["no value of a measured gauge", event({}, { type: "disk" }), "invalid_value", /in data\.value, got nothing/],
    ["an unknown meter", event({}, { type: "cals" }), "unknown_meter", /one of calls, peak, seats, disk, got "cals"/],
    ["a meter of the prototype", event({}, { type: "constructor" }), "unknown_meter", /got "constructor"/],
    ["an unknown account", event({}, { subject: "C" }), "unknown_account", /No account "C"/],
    ["no account", event({}, { subject: undefined }), "unknown_account", /account in subject, got nothing/],
    [
      "a future time",
      event({}, { time: at(AT_MS + 5 * MINUTE_MS + 1) }),
      "time_in_future",
      /at most 5m ahead of 2026-11-24T09:20:00\.000Z/,
    ],
    [
      "a time too old",
      event({}, { time: at(AT_MS - 35 * DAY_MS - 1) }),
      "time_too_old",
      /got 2026-10-20T09:19:59\.999Z/,
    ],
    ["a time before 1970", event({}, { time: "0001-01-01T00:00:00Z" }), "time_too_old", /got 0001-01-01/],
    ["a correction of nothing known", event({ value: 1, corrects: "nothing" }), "unknown_event", /no event "nothing"/],
    ["a correction without a value", event({ corrects: "good" }), "unknown_event", /no event "good"/],
  ];

  let site: UsageSite;
  beforeAll(async () => {
    site = await UsageSite.open(YAML);
    await site.account();
  });
  afterAll(() => site[Symbol.asyncDispose]());

  test.each(cases)("%s", async (_name, bad, error, detail) => {
    const results = await site.report([event(), bad, event()]);
    expect(results.map(({ status }) => status)).toEqual(["accepted", "rejected", "accepted"]);
    expect(results[1]?.error).toBe(error);
    expect(results[1]?.detail).toMatch(detail);
  });

  test("and all that was right has counted, nothing else", async () => {
    const rows = await site.db.selectFrom("usage").select(["meter", "minute", "units"]).execute();
    expect(rows).toEqual([{ meter: "calls", minute: AT_MS, units: 2 * cases.length }]);
  });
});

test("times at the very ends of what is taken are taken", async () => {
  await using site = await UsageSite.open(YAML);
  await site.account();
  const ends = [AT_MS + 5 * MINUTE_MS, AT_MS - 35 * DAY_MS].map((ms) => event({}, { time: at(ms) }));
  expect(await outcomes(site, ...ends)).toEqual(["accepted", "accepted"]);
});

test("by CloudEvents extensions say nothing and the version is there; without a subject it is the caller's own usage", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const full = {
    ...event({ value: 3 }, { subject: undefined }),
    specversion: "1.0",
    traceparent: "00-ab",
    partitionkey: "x",
  };
  const { specversion: _specversion, ...without } = { ...full, id: "w" };
  const results = await site.services.events.report({ events: [full, without], form: "cloudevents", account });
  expect(results).toEqual([
    { id: full.id, source: "app", status: "accepted" },
    {
      id: "w",
      source: "app",
      status: "rejected",
      error: "malformed_event",
      detail: 'Expected "1.0" in specversion, got nothing',
    },
  ]);
  expect(site.live(account, "calls")).toBe(3);
});

test("events count beyond every limit, and of a suspended account: they have happened", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  await site.services.accounts.change(account.id, { state: "suspended" });
  expect(await outcomes(site, event({ value: 1_000 }))).toEqual(["accepted"]);
  expect(site.live(account, "calls")).toBe(1_000);
});

test("values that would bring a counter beyond exact numbers are refused, as is nothing else", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const most = 1_000_000_000_000_000;
  const results = await outcomes(
    site,
    ...Array.from({ length: 12 }, () => event({ value: most })),
    event({ value: 1 }),
  );
  expect(results).toEqual([...Array(9).fill("accepted"), ...Array(3).fill("invalid_value"), "accepted"]);
  expect(site.live(account, "calls")).toBe(9 * most + 1);
});

describe("corrections", () => {
  test("bring what an event counted to the right value, in its own minute, up and down, one after the other", async () => {
    await using site = await UsageSite.open(YAML);
    const account = await site.account();
    const wrong = event({ value: 10 }, { time: at(AT_MS - HOUR_MS) });
    await site.report([wrong, event({ value: 1 })]);
    const corrected = async (value: number) => {
      const [status] = await outcomes(site, event({ value, corrects: wrong.id, reason: "miscounted" }));
      return [status, site.live(account, "calls"), (await site.minutes(account.id, "calls"))[0]];
    };
    expect(await corrected(4)).toEqual(["accepted", 5, [AT_MS - HOUR_MS, 4]]);
    expect(await corrected(7)).toEqual(["accepted", 8, [AT_MS - HOUR_MS, 7]]);
    expect(await corrected(0)).toEqual(["accepted", 1, [AT_MS - HOUR_MS, 0]]);
    expect(await corrected(0)).toEqual(["accepted", 1, [AT_MS - HOUR_MS, 0]]);
    await site.restart();
    await site.foundation.ledger.seeder.ensure(account.id);
    expect(site.live(account, "calls")).toBe(1);
  });

  test("of one list follow each other, and sent again change nothing", async () => {
    await using site = await UsageSite.open(YAML);
    const account = await site.account();
    const wrong = event({ value: 10 });
    const down = event({ value: 3, corrects: wrong.id });
    const up = event({ value: 5, corrects: wrong.id });
    expect(await outcomes(site, wrong, down, up, down, wrong)).toEqual([
      "accepted",
      "accepted",
      "accepted",
      "duplicate",
      "duplicate",
    ]);
    expect(site.live(account, "calls")).toBe(5);
  });

  test("are of the same usage, and of an event, not of a correction", async () => {
    await using site = await UsageSite.open(YAML);
    await site.account();
    await site.account("B");
    const wrong = event({ value: 10, user: "u" });
    const down = event({ value: 3, corrects: wrong.id });
    await site.report([wrong, down]);
    const details = async (data: object, part: object = {}) =>
      (await site.report([event({ value: 1, corrects: wrong.id, ...data }, part)]))[0];
    expect(await details({}, { subject: "B" })).toMatchObject({
      error: "not_correctable",
      detail: expect.stringMatching(/subject/),
    });
    expect(await details({}, { type: "seats" })).toMatchObject({
      error: "not_correctable",
      detail: expect.stringMatching(/type/),
    });
    expect(await details({ user: "other" })).toMatchObject({
      error: "not_correctable",
      detail: expect.stringMatching(/data.user/),
    });
    expect(await details({ corrects: down.id })).toMatchObject({
      error: "not_correctable",
      detail: expect.stringMatching(/itself a correction/),
    });
    expect(await details({ value: -1 })).toMatchObject({ error: "invalid_value" });
    expect(await details({}, { source: "other" })).toMatchObject({ error: "unknown_event" });
    expect(await details({ user: "u", value: 2 })).toMatchObject({ status: "accepted" });
  });

  test("raise a maximum and never lower it", async () => {
    await using site = await UsageSite.open(YAML);
    const account = await site.account();
    const wrong = event({ value: 10 }, { type: "peak" });
    const correct = (value: number) => event({ value, corrects: wrong.id }, { type: "peak" });
    expect(await outcomes(site, wrong, correct(9), correct(12), correct(11))).toEqual([
      "accepted",
      "not_correctable",
      "accepted",
      "not_correctable",
    ]);
    expect(site.live(account, "peak")).toBe(12);
  });

  test("of a measured gauge hold until a later value", async () => {
    await using site = await UsageSite.open(YAML);
    const account = await site.account();
    const first = event({ value: 10 }, { type: "disk", time: at(AT_MS - 2 * MINUTE_MS) });
    const correct = (value: number) => event({ value, corrects: first.id }, { type: "disk" });
    await site.report([first, correct(8)]);
    expect(site.live(account, "disk")).toBe(8);
    await site.report([event({ value: 20 }, { type: "disk", time: at(AT_MS - MINUTE_MS) }), correct(9)]);
    expect(await site.db.selectFrom("gauges").select("value").where("holder", "=", "").execute()).toEqual([
      { value: 20 },
    ]);
  });
});

describe("gauges", () => {
  test("go up and down, and never below what there is, in the counters and in the ledger", async () => {
    await using site = await UsageSite.open(YAML);
    const account = await site.account();
    const seats = (value: number) => event({ value }, { type: "seats" });
    await site.report([seats(3)]);
    expect(await outcomes(site, seats(2), seats(-1), seats(-10), seats(4), seats(-1))).toEqual(
      Array(5).fill("accepted"),
    );
    expect(site.live(account, "seats")).toBe(3);
    expect(await site.minutes(account.id, "seats")).toEqual([[AT_MS, 3]]);
    expect(await outcomes(site, seats(-5))).toEqual(["accepted"]);
    expect([site.live(account, "seats"), await site.minutes(account.id, "seats")]).toEqual([0, [[AT_MS, 0]]]);
  });

  test("keep the latest value, whatever order values come in", async () => {
    await using site = await UsageSite.open(YAML);
    const account = await site.account();
    const disk = (value: number, minutes: number) =>
      event({ value }, { type: "disk", time: at(AT_MS - minutes * MINUTE_MS) });
    await site.report([disk(5, 3), disk(7, 1), disk(6, 2)]);
    expect(site.live(account, "disk")).toBe(7);
  });
});

describe("an event whose windows are over", () => {
  const late = (policy: string) => `${YAML}metering: { events: { late: ${policy} } }\n`;
  const yesterday = () => event({ value: 5 }, { time: at(AT_MS - DAY_MS) });

  test("counts in its own window", async () => {
    await using site = await UsageSite.open(late("own"));
    const account = await site.account();
    expect(await outcomes(site, yesterday())).toEqual(["accepted"]);
    expect([site.live(account, "calls"), site.live(account, "calls", AT_MS - DAY_MS)]).toEqual([0, 5]);
  });

  test("counts in the current one", async () => {
    await using site = await UsageSite.open(late("current"));
    const account = await site.account();
    expect(await outcomes(site, yesterday(), event({ value: 1 }, { time: at(AT_MS - HOUR_MS) }))).toEqual([
      "accepted",
      "accepted",
    ]);
    expect(site.live(account, "calls")).toBe(6);
    expect(await site.minutes(account.id, "calls")).toEqual([
      [AT_MS - HOUR_MS, 1],
      [AT_MS, 5],
    ]);
  });

  test("is refused", async () => {
    await using site = await UsageSite.open(late("reject"));
    await site.account();
    expect(await outcomes(site, yesterday(), event({}, { time: at(AT_MS - HOUR_MS) }))).toEqual([
      "window_over",
      "accepted",
    ]);
  });

  test("is one whose every window is over: the longest decides", async () => {
    const plans =
      "plans: { free: { default: true, quotas: { calls: [{ limit: 9, per: hour }, { limit: 9, per: month }] } } }\n";
    await using site = await UsageSite.open(`${METERS}${plans}metering: { events: { late: reject } }\n`);
    await site.account();
    const lastMonth = event({}, { time: at(Date.UTC(2026, 9, 31, 23, 59)) });
    expect(await outcomes(site, yesterday(), lastMonth)).toEqual(["accepted", "window_over"]);
  });
});

describe("credits", () => {
  const paid = `${METERS}plans: { free: { default: true, quotas: { calls: { limit: 10, per: day, exceed: credits, credits: 2 } } } }\n`;

  test("are burnt for units beyond the limit, up to what is there, and the event counts all the same", async () => {
    await using site = await UsageSite.open(paid);
    const account = await site.account();
    const { grant } = await site.give(account.id, { amount: 15 });
    await site.report([event({ value: 8 })]);
    expect(site.burnt(grant.row.id)).toBe(0);
    await site.report([event({ value: 4 }), event({ value: 3 })]);
    expect(site.burnt(grant.row.id)).toBe(10);
    await site.report([event({ value: 4 })]);
    expect([site.burnt(grant.row.id), site.live(account, "calls")]).toEqual([15, 19]);
    const stored = await site.db.selectFrom("credit_grants").select("used").execute();
    expect(stored).toEqual([{ used: 15 }]);
  });

  test("of a window that is long over are burnt by what the ledger knows of it", async () => {
    await using site = await UsageSite.open(paid);
    const account = await site.account();
    const { grant } = await site.give(account.id, { startMs: 0 });
    const then = { time: at(AT_MS - 5 * DAY_MS) };
    await site.report([event({ value: 8 }, then)]);
    await site.restart();
    await site.report([event({ value: 4 }, then), event({ value: 1 }, then)]);
    expect(site.burnt(grant.row.id)).toBe(6);
    await site.restart();
    await site.report([event({ value: 2 }, then)]);
    expect(site.burnt(grant.row.id)).toBe(10);
  });

  test("come back with a correction downwards, and after a restart all is as it was", async () => {
    await using site = await UsageSite.open(paid);
    const account = await site.account();
    const first = await site.give(account.id, { amount: 6, priority: 1 });
    const second = await site.give(account.id, { amount: 100, priority: 2 });
    const wrong = event({ value: 20 });
    await site.report([wrong]);
    const burnt = () => [site.burnt(first.grant.row.id), site.burnt(second.grant.row.id)];
    expect(burnt()).toEqual([6, 14]);
    await site.report([event({ value: 14, corrects: wrong.id })]);
    expect(burnt()).toEqual([6, 2]);
    await site.report([event({ value: 15, corrects: wrong.id })]);
    expect(burnt()).toEqual([6, 4]);
    await site.restart();
    await site.foundation.ledger.seeder.ensure(account.id);
    expect(burnt()).toEqual([6, 4]);
    await site.report([event({ value: 0, corrects: wrong.id })]);
    expect([...burnt(), site.live(account, "calls")]).toEqual([0, 0, 0]);
  });

  test("that a correction gives back can be burnt by what stands behind it in the same list", async () => {
    await using site = await UsageSite.open(paid);
    const account = await site.account();
    const first = await site.give(account.id, { amount: 6, priority: 1 });
    const second = await site.give(account.id, { amount: 4, priority: 2 });
    const wrong = event({ value: 15 });
    await site.report([wrong]);
    const burnt = () => [site.burnt(first.grant.row.id), site.burnt(second.grant.row.id)];
    expect(burnt()).toEqual([6, 4]);
    const told = site.announced.length;
    await site.report([event({ value: 10, corrects: wrong.id }), event({ value: 4 })]);
    expect([...burnt(), site.live(account, "calls")]).toEqual([6, 2, 14]);
    // What workers remember of the account has no grant that was used up.
    expect(site.announced.slice(told)).toEqual([account.id]);
    await site.restart();
    await site.foundation.ledger.seeder.ensure(account.id);
    expect(burnt()).toEqual([6, 2]);
    await site.report([event({ value: 0, corrects: wrong.id }), event({ value: 0 })]);
    expect([...burnt(), site.live(account, "calls")]).toEqual([6, 2, 4]);
  });

  test("go back when the events cannot be booked", async () => {
    await using site = await UsageSite.open(paid);
    const account = await site.account();
    const { grant } = await site.give(account.id);
    await site.report([event({ value: 1 }), event({ value: 5 }, { type: "seats" })]);
    await site.db.schema.alterTable("usage").renameTo("away").execute();
    await expect(site.report([event({ value: 20 }), event({ value: -2 }, { type: "seats" })])).rejects.toThrow(
      "no such table",
    );
    expect([site.burnt(grant.row.id), site.live(account, "calls"), site.live(account, "seats")]).toEqual([0, 1, 5]);
    await site.db.schema.alterTable("away").renameTo("usage").execute();
    await site.report([event({ value: 20 })]);
    expect([site.burnt(grant.row.id), site.live(account, "calls")]).toEqual([22, 21]);
  });
});

test("a thousand events are one booking", async () => {
  await using site = await UsageSite.open(YAML);
  const account = await site.account();
  const events = Array.from({ length: 1_000 }, (_, index) => event({ value: 1, user: `u${index % 50}` }));
  expect(new Set(await outcomes(site, ...events))).toEqual(new Set(["accepted"]));
  expect(new Set(await outcomes(site, ...events))).toEqual(new Set(["duplicate"]));
  expect(site.live(account, "calls")).toBe(1_000);
});

test("every error of an event has its line of documentation, and there is no other", () => {
  const text = readFileSync(join(import.meta.dirname, "..", "..", "..", "docs", "endpoints.md"), "utf8");
  const [, section = ""] = text.split("With 5xx nothing was counted: send it again. Errors:");
  const [list = ""] = section.split("## Reservations");
  const documented = list.split("\n").flatMap((line) => {
    const [names = ""] = line.startsWith("- ") ? line.split(": ") : [];
    return [...names.matchAll(/`(\w+)`/g)].map(([, name]) => name);
  });
  expect(documented.toSorted()).toEqual(EVENT_ERRORS.toSorted());
});
