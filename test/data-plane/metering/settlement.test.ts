/** The end of a request however it ends: charged once, by the rule for its status, or not at all; and its slots are free. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isRefusal, type Passage } from "#data-plane/exchange.ts";
import { Settlement } from "#data-plane/metering/settlement.ts";
import { LimitSite, runtimeOf } from "#test/data-plane/policy/limit-site.ts";
import { accountOf, callerOf, routeOf } from "#test/data-plane/policy/limit-worker.ts";

const FILE = `
metering: { on-journal-failure: FAILURE }
concurrency: { open: { limit: 9, by: account } }
meters:
  calls: { aggregate: count }
  tokens: { from: "response.json:usage.total", estimate: 10, fallback: 4 }
  cells: { from: "response.header:x-cells", estimate: 5 }
  told: { from: upstream, estimate: 2 }
  least: { from: "response.json:n", minimum: 7 }
plans: { pro: { default: true, quotas: { tokens: { limit: 500, per: day } } } }
routes:
  - { name: plain, match: { path: /plain }, upstream: app, concurrency: [open], meters: { calls: 1 } }
  - { name: body, match: { path: /body }, upstream: app, concurrency: [open], meters: { calls: 1, tokens: measured } }
  - { name: head, match: { path: /head }, upstream: app, concurrency: [open], meters: { calls: 1, cells: measured } }
  - { name: told, match: { path: /told }, upstream: app, concurrency: [open], meters: { told: measured } }
  - { name: least, match: { path: /least }, upstream: app, meters: { least: measured } }
  - { name: free, match: { path: /free }, upstream: app, concurrency: [open] }
`;

const account = accountOf("acct");

beforeEach(() => {
  vi.useFakeTimers({ toFake: ["Date", "hrtime"], now: Date.UTC(2026, 0, 1) });
});
afterEach(() => {
  vi.useRealTimers();
});

/** A request under way on `path`, and what became of it. */
function underWay(path: string, failure: "refuse" | "serve" = "refuse") {
  const runtime = runtimeOf(FILE.replace("FAILURE", failure));
  const site = new LimitSite(runtime);
  const admission = site.admit(callerOf(runtime, account), path);
  if (isRefusal(admission)) throw new Error(admission.rule);
  const faults: string[] = [];
  const passage = { head: { raw: [] }, runtime, route: routeOf(runtime, path), ...admission } as unknown as Passage;
  const settlement = new Settlement(site.worker().settler, passage, (meter, fault) => faults.push(`${meter} ${fault}`));
  return { site, settlement, faults, journal: site.worker().journal };
}

type Request = ReturnType<typeof underWay>;

function body({ settlement: { measurement } }: Request, text: string): void {
  measurement?.responseChunk(Buffer.from(text));
}

/** Charges as status, whether it is the first, and units by meter. */
function charged({ site }: Request): readonly string[] {
  return site.charges().map(({ status, first, units }) => {
    const lines = units.map((line) => `${line.meter}=${line.units}`);
    return `${status}${first ? "" : "+"} ${lines.join(" ")}`.trim();
  });
}

const JSON_HEAD = ["Content-Type", "application/json"];

const ends: readonly (readonly [string, string, (request: Request) => void, readonly string[]])[] = [
  ["plain, answered", "plain", ({ settlement }) => [settlement.head(200, []), settlement.end()], ["200 calls=1"]],
  ["plain, answered, whatever comes after", "plain", ({ settlement }) => [settlement.head(404, []), settlement.end(), settlement.end(), settlement.endWith(500), settlement.release()], ["404 calls=1"]],
  ["plain, the app failed", "plain", ({ settlement }) => [settlement.head(502, []), settlement.end()], []],
  ["plain, no answer at all", "plain", ({ settlement }) => settlement.endWith(504), []],
  ["plain, the client left with all of it sent", "plain", ({ settlement }) => settlement.clientGone(true), ["499 calls=1"]],
  ["plain, the client left with half of it sent", "plain", ({ settlement }) => settlement.clientGone(false), []],
  ["plain, released", "plain", ({ settlement }) => settlement.release(), []],
  ["a body that says it", "body", (request) => { request.settlement.head(200, JSON_HEAD); body(request, '{"usage":{"total":31}}'); request.settlement.end(); }, ["200 calls=1", "200+ tokens=31"]],
  ["a body that does not say it", "body", (request) => { request.settlement.head(200, JSON_HEAD); body(request, "{}"); request.settlement.end(); }, ["200 calls=1", "200+ tokens=4"]],
  ["a body that breaks off", "body", (request) => { request.settlement.head(200, JSON_HEAD); body(request, '{"usage":{"tot'); request.settlement.clientGone(true); }, ["200 calls=1", "200+ tokens=4"]],
  ["a body nobody waited for", "body", ({ settlement }) => settlement.clientGone(true), ["499 calls=1 tokens=4"]],
  ["a body of an app that failed", "body", (request) => { request.settlement.head(500, JSON_HEAD); body(request, '{"usage":{"total":31}}'); request.settlement.end(); }, []],
  ["a head that says it", "head", ({ settlement }) => [settlement.head(200, ["X-Cells", "7"]), settlement.end()], ["200 calls=1 cells=7"]],
  ["a head that does not say it", "head", ({ settlement }) => [settlement.head(200, []), settlement.end()], ["200 calls=1 cells=5"]],
  ["a head that says it twice", "head", ({ settlement }) => [settlement.head(200, ["X-Cells", "7", "x-cells", "7"]), settlement.end()], ["200 calls=1 cells=5"]],
  ["an app that reports", "told", ({ settlement }) => [settlement.head(200, ["x-tollgate-usage", "told=12"]), settlement.end()], ["200 told=12"]],
  ["an app that reports in the end", "told", ({ settlement }) => { settlement.head(200, []); settlement.measurement?.trailers(["x-tollgate-usage", "told=13"]); settlement.end(); }, ["200 told=13"]],
  ["an app that never reports", "told", ({ settlement }) => [settlement.head(200, []), settlement.end()], ["200 told=2"]],
  ["nothing to charge", "free", ({ settlement }) => [settlement.head(200, []), settlement.end()], []],
]; // biome-ignore format: one table

describe.each(ends)("%s", (_, path, act, expected) => {
  test("is charged once, counted as charged, and holds nothing any more", () => {
    const request = underWay(path);
    using site = request.site;
    act(request);
    expect(charged(request)).toEqual(expected);
    const tokens = expected
      .flatMap((line) => [...line.matchAll(/tokens=([0-9]+)/g)])
      .reduce((sum, [, units]) => sum + Number(units), 0);
    expect([site.used(account, "tokens", "day"), site.held("open", "account:acct")]).toEqual([tokens, 0]);
  });
});

test("values that are missing or no good are told of by meter", () => {
  const request = underWay("body");
  using site = request.site;
  request.settlement.head(200, JSON_HEAD);
  body(request, '{"usage":{"total":-5}}');
  request.settlement.end();
  expect([request.faults, charged(request)]).toEqual([["tokens negative"], ["200 calls=1", "200+ tokens=4"]]);
  expect(site.charges()).toHaveLength(2);
});

describe.each(["refuse", "serve"] as const)("a journal that cannot be written, on-journal-failure: %s", (failure) => {
  const goesOn = failure === "serve";

  test("at the head: the answer does not go out unless it is to be served uncharged", () => {
    const request = underWay("body", failure);
    using site = request.site;
    request.journal.mood = "fail";
    expect(request.settlement.head(200, JSON_HEAD)).toBe(goesOn);
    request.journal.mood = "well";
    expect(request.settlement.end()).toBe(goesOn);
    expect([charged(request), site.used(account, "tokens", "day"), site.held("open", "account:acct")]).toEqual([
      [],
      0,
      0,
    ]);
  });

  test("at the end: the last byte does not go out unless it is to be served, and what was charged stays", () => {
    const request = underWay("body", failure);
    using site = request.site;
    expect(request.settlement.head(200, JSON_HEAD)).toBe(true);
    body(request, '{"usage":{"total":31}}');
    request.journal.mood = "fail";
    expect(request.settlement.end()).toBe(goesOn);
    expect([charged(request), site.used(account, "tokens", "day"), site.held("open", "account:acct")]).toEqual([
      ["200 calls=1"],
      0,
      0,
    ]);
  });
});

test("a value that is not there counts the meter's minimum where nothing was reserved", () => {
  const request = underWay("least");
  using site = request.site;
  expect(request.settlement.head(200, [])).toBe(true);
  expect(request.settlement.end()).toBe(true);
  expect(site.charges().map(({ units }) => units.map((line) => line.units))).toEqual([[7]]);
  expect(request.faults).toEqual(["least missing"]);
});

test("an answer that is not charged is no fault of a meter", () => {
  const request = underWay("body");
  using site = request.site;
  request.settlement.endWith(502);
  expect([request.faults, site.charges()]).toEqual([[], []]);
});
