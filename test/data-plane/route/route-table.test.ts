/** Routes against a matcher written the slow and obvious way: the most specific one that has the method wins, everywhere. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { type Found, type RouteMatch, RouteTable } from "#data-plane/route/route-table.ts";

type Match = RouteMatch<string>;
const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"] as const;

function segmentsOf(path: string): readonly string[] {
  return path
    .split("/")
    .slice(1)
    .filter((segment) => segment !== "");
}

/** 0 literal, 1 parameter, 2 tail: smaller is more specific. The end of a path is more specific than a tail. */
function rankOf(segment: string): number {
  if (segment === "**") return 2;
  return segment.startsWith("{") ? 1 : 0;
}

function hostRank(route: Match, host: string): number | null {
  if (route.host === null) return 1_000;
  if (!route.host.startsWith("*.")) return route.host === host ? 0 : null;
  // Longest suffix first; a wildcard never stands for nothing.
  return host.endsWith(route.host.slice(1)) && host.length >= route.host.length - 1 ? 500 - route.host.length : null;
}

/** The ranks of the segments when the path matches, else null. */
function pathRanks(route: Match, segments: readonly string[]): readonly number[] | null {
  const template = segmentsOf(route.path);
  const ranks: number[] = [];
  for (const [index, part] of template.entries()) {
    if (part === "**") return [...ranks, 2];
    const segment = segments[index];
    if (segment === undefined || (!part.startsWith("{") && part !== segment)) return null;
    ranks.push(rankOf(part));
  }
  return template.length === segments.length ? ranks : null;
}

function compare(a: readonly number[], b: readonly number[]): number {
  for (let i = 0; i < Math.max(a.length, b.length); i++) {
    const difference = (a[i] ?? -1) - (b[i] ?? -1);
    if (difference !== 0) return difference;
  }
  return 0;
}

/** What `find` has to answer; `allowed` sorted. */
function naive(routes: readonly Match[], host: string, method: string, segments: readonly string[]): Found<string> {
  const fitting = routes.flatMap((route) => {
    const rank = hostRank(route, host);
    const ranks = pathRanks(route, segments);
    return rank === null || ranks === null ? [] : [{ route, ranks: [rank, ...ranks] }];
  });
  const able = fitting.filter(({ route }) => (route.methods ?? METHODS).some((one) => one === method));
  const best = able.sort((a, b) => compare(a.ranks, b.ranks))[0]?.route;
  if (best !== undefined) return { kind: "route", route: best.route, values: valuesOf(best, segments) };
  const allowed = new Set(fitting.flatMap(({ route }) => route.methods ?? METHODS));
  return allowed.size === 0 ? { kind: "none" } : { kind: "method", allowed: [...allowed].sort() };
}

function valuesOf(route: Match, segments: readonly string[]): readonly string[] {
  return segmentsOf(route.path).flatMap((part, index) => (part.startsWith("{") ? [segments[index] ?? ""] : []));
}

function sorted(found: Found<string>): Found<string> {
  return found.kind === "method" ? { ...found, allowed: [...found.allowed].sort() } : found;
}

const word = fc.constantFrom("a", "b", "c");
const part = fc.oneof({ weight: 3, arbitrary: word }, fc.constantFrom("{x}", "{y}"));
const template = fc
  .tuple(fc.array(part, { maxLength: 4 }), fc.boolean())
  .map(([parts, tail]) => `/${[...parts, ...(tail ? ["**"] : [])].join("/")}`);
const host = fc.constantFrom(null, "x.test", "a.x.test", "*.x.test", "*.a.x.test", "*.test", "y.test");
const methods = fc.option(fc.subarray([...METHODS], { minLength: 1 }));
const requestHost = fc.constantFrom("x.test", "a.x.test", "b.x.test", "b.a.x.test", "ax.test", "test", "y.test", "");
const asked = fc.record({
  host: requestHost,
  method: fc.constantFrom(...METHODS),
  segments: fc.array(fc.constantFrom("a", "b", "c", "d", "**", "{x}"), { maxLength: 5 }),
});

/** Routes of which no two match the same with the same method, as the loader guarantees. */
const table = fc
  .uniqueArray(fc.record({ host, path: template, methods }), {
    maxLength: 25,
    selector: (route) => JSON.stringify([route.host, route.path.replaceAll(/\{.\}/g, "{}")]),
  })
  .map((routes) => routes.map((route, index): Match => ({ ...route, route: `route-${index}` })));

test("any table answers any request as the obvious matcher does", () => {
  fc.assert(
    fc.property(table, fc.array(asked, { minLength: 1, maxLength: 20 }), (routes, requests) => {
      const routeTable = new RouteTable(routes);
      for (const request of requests) {
        const found = routeTable.find(request.host, request.method, request.segments);
        expect(sorted(found)).toEqual(naive(routes, request.host, request.method, request.segments));
      }
    }),
    { numRuns: 500 },
  );
});

function tableOf(
  ...paths: readonly (readonly [path: string, ...methods: (typeof METHODS)[number][]])[]
): RouteTable<string> {
  return new RouteTable(
    paths.map(([path, ...own]) => ({ host: null, path, methods: own.length === 0 ? null : own, route: path })),
  );
}

test.each([
  ["/models/list", "/models/list", []],
  ["/models/42", "/models/{id}", ["42"]],
  ["/models/42/runs", "/models/{id}/runs", ["42"]],
  ["/models/list/runs", "/models/{id}/runs", ["list"]],
  ["/models/42/x/y", "/models/**", []],
  ["/models", "/models/**", []],
  ["/other", "/**", []],
  ["/", "/**", []],
])("%s finds %s", (path, route, values) => {
  const routes = tableOf(["/**"], ["/models/**"], ["/models/list"], ["/models/{id}"], ["/models/{id}/runs"]);
  expect(routes.find("any", "GET", segmentsOf(path))).toEqual({ kind: "route", route, values });
});

test("an escape in a segment finds the rule of the plain text, never only that of a parameter", () => {
  const routes = tableOf(["/models/{id}"], ["/models/batch:delete"], ["/models/{id}/a&b"]);
  const find = (path: string) => routes.find("any", "POST", segmentsOf(path));
  expect(find("/models/batch%3Adelete")).toMatchObject({ route: "/models/batch:delete" });
  expect(find("/models/batch%3adelete")).toMatchObject({ route: "/models/batch:delete" });
  expect(find("/models/1/a%26b")).toMatchObject({ route: "/models/{id}/a&b" });
  expect(find("/models/batch%253Adelete")).toMatchObject({ route: "/models/{id}", values: ["batch%253Adelete"] });
  expect(find("/models/caf%C3%A9")).toMatchObject({ route: "/models/{id}", values: ["caf%C3%A9"] });
});

test("names of object members are ordinary segments, hosts and methods", () => {
  const routes = tableOf(["/constructor"]);
  for (const name of ["__proto__", "toString", "hasOwnProperty"]) {
    expect(routes.find(name, "GET", [name])).toEqual({ kind: "none" });
    expect(routes.find(name, name, ["constructor"])).toMatchObject({ kind: "method" });
  }
});

test("a request without a match is refused, never let through", () => {
  expect(new RouteTable<string>([]).find("any", "GET", [])).toEqual({ kind: "none" });
});

/** Nanoseconds a lookup takes, the best of seven runs. */
function lookupNs(routes: RouteTable<string>, paths: readonly (readonly string[])[]): number {
  const runs = Array.from({ length: 7 }, () => {
    const started = process.hrtime.bigint();
    for (let i = 0; i < 20_000; i++) routes.find("any", "GET", paths[i % paths.length] ?? []);
    return Number(process.hrtime.bigint() - started) / 20_000;
  });
  return Math.min(...runs);
}

test("a lookup among 10,000 routes costs about what it costs among 10", () => {
  const cost = (count: number) => {
    const paths = Array.from({ length: count }, (_, index) => `/area-${index % 100}/{id}/part-${index}`);
    const asks = Array.from({ length: 10 }, (_, index) => [
      `area-${(count - 1 - index) % 100}`, "42", `part-${count - 1 - index}`,
    ]); // biome-ignore format: one path
    return lookupNs(tableOf(...paths.map((path) => [path] as const)), asks);
  };
  const [few, many] = [cost(10), cost(10_000)];
  process.stdout.write(`route lookup: ${Math.round(few)} ns among 10, ${Math.round(many)} ns among 10,000\n`);
  expect(many).toBeLessThan(few * 8);
});
