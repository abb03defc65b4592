/**
 * Documents equal code: an error code, a metric, an endpoint and a workspace room exist only with their line of documentation.
 * The checker is shown to fail on a planted difference. Not here: `docs/configuration.md` (test/config/documents.test.ts).
 */
import { mkdtempSync, readdirSync, readFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import pino from "pino";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { parseSettings } from "#config/load.ts";
import { buildAdmin } from "#control-plane/api/admin.ts";
import { buildMetrics } from "#control-plane/api/metrics.ts";
import { buildSelfService } from "#control-plane/api/self-service.ts";
import { Foundation } from "#control-plane/foundation.ts";
import { ERRORS } from "#core/errors.ts";
import { ADMIN_ROUTES } from "#config/admin-routes.ts";
import { BUILTIN_ROUTES, builtinRoutesOf } from "#config/builtin-routes.ts";
import { createMetrics } from "#shared/metrics-table.ts";

const ROOT = join(import.meta.dirname, "..", "..");
const YAML = "version: 1\nupstreams: { app: { targets: [http://127.0.0.1:9] } }\nroutes: []\n";

function read(file: string): string {
  return readFileSync(join(ROOT, file), "utf8");
}

/** Cells of every table row of a Markdown text, backquotes taken off; headings and rulers left out. */
function rows(markdown: string): readonly (readonly string[])[] {
  return markdown
    .split("\n")
    .filter((line) => line.startsWith("| `") || /^\| [A-Z]+ +\| `/.test(line))
    .map((line) =>
      line
        .slice(2, -2)
        .split(" | ")
        .map((cell) => cell.trim().replaceAll("`", "")),
    );
}

describe("docs/errors.md", () => {
  const documented = (text: string) =>
    rows(text).map(([code, status, owner, retry]) => ({ code, status: Number(status), owner, retry }));
  const actual = Object.entries(ERRORS).map(([code, { status, owner, retry }]) => ({ code, status, owner, retry }));

  it("has each code with its status, owner and retry, and no other", () => {
    expect(documented(read("docs/errors.md"))).toEqual(actual);
  });

  it("would show a code that is missing or has another status", () => {
    const text = read("docs/errors.md");
    expect(documented(text.replace("| 413 ", "| 414 "))).not.toEqual(actual);
    expect(documented(text.replace(/^\| `conflict`.*\n/m, ""))).not.toEqual(actual);
  });
});

describe("docs/metrics.md", () => {
  it("has each metric with its type, and no other", async () => {
    const registry = buildMetrics({
      table: createMetrics(),
      routeNames: () => new Map(),
      workers: () => 0,
      configGood: () => true,
    });
    const text = await registry.metrics();
    const actual = [...text.matchAll(/^# TYPE (tollgate_\S+) (\S+)$/gm)].map(([, name, type]) => ({ name, type }));
    const documented = rows(read("docs/metrics.md")).map(([name, type]) => ({ name, type }));
    const byName = (a: { name?: string | undefined }, b: { name?: string | undefined }) =>
      String(a.name).localeCompare(String(b.name));
    expect([...documented].sort(byName)).toEqual([...actual].sort(byName));
  });
});

describe("docs/endpoints.md", () => {
  let foundation: Foundation;
  beforeAll(async () => {
    const settings = parseSettings(YAML, join(mkdtempSync(join(tmpdir(), "tollgate-docs-")), "gateway.yaml"));
    foundation = await Foundation.open({
      settings: () => settings,
      log: pino({ level: "silent" }),
      announce: () => Promise.resolve(),
      publishKeys: () => Promise.resolve(),
      isLive: () => false,
      live: null,
    });
  });
  afterAll(() => foundation.close());

  const [customers = "", operators = ""] = read("docs/endpoints.md").split("## For operators");
  const endpoints = (text: string) => rows(text).map(([method, path]) => `${method} ${path}`);

  it("has each endpoint for customers that workers route, and the control API serves exactly these", () => {
    const documented = rows(customers).map(([method, path, name]) => `${method} ${path} ${name}`);
    expect(documented).toEqual(BUILTIN_ROUTES.map(({ method, path, name }) => `${method} ${path} ${name}`));
    const app = buildSelfService(foundation.services, pino({ level: "silent" }), () => true);
    const withAdmin = builtinRoutesOf({ adminOnListen: true }).map(({ method, path }) => `${method} ${path}`);
    expect(served(app.printRoutes({ commonPrefix: false }))).toEqual([...withAdmin].sort());
    expect(builtinRoutesOf({ adminOnListen: false })).toEqual(BUILTIN_ROUTES);
  });

  it("has each operation of the admin API with its permission, and no other", () => {
    const documented = rows(operators).flatMap(([method, path, permission]) =>
      path?.startsWith("/admin") === true ? [`${method} ${path} ${permission}`] : [],
    );
    const inTable = ADMIN_ROUTES.map(({ method, path, permission }) => `${method} ${path} ${permission ?? "–"}`);
    expect(documented.sort()).toEqual(inTable.sort());
  });

  it("gives each operation of the admin API a permission of its own", () => {
    const permissions = ADMIN_ROUTES.flatMap(({ permission }) => permission ?? []);
    expect(permissions.filter((permission, place) => permissions.indexOf(permission) !== place)).toEqual([]);
    expect(ADMIN_ROUTES.filter(({ permission }) => permission === null).map(({ name }) => name)).toEqual(["backup"]);
  });

  it("has each endpoint for operators", () => {
    const metrics = () => Promise.resolve({ contentType: "", text: "" });
    const app = buildAdmin({
      services: foundation.services,
      log: pino({ level: "silent" }),
      ready: () => true,
      metrics,
      token: null,
    });
    const actual = served(app.printRoutes({ commonPrefix: false }));
    expect([...endpoints(operators), "GET /health", "GET /ready"].sort()).toEqual(actual);
  });
});

/** `METHOD /path` lines from Fastify's drawing of its routes, HEAD twins left out. */
function served(drawing: string): readonly string[] {
  const open: string[] = [];
  const found: string[] = [];
  for (const line of drawing.split("\n")) {
    const match = /^(.*?)[├└]── (\S*?)(?: \(([A-Z, ]+)\))?$/.exec(line);
    if (match === null) continue;
    const [, indent = "", part = "", methods = ""] = match;
    const depth = indent.length / 4;
    open.length = depth;
    open[depth] = part;
    const path = open.join("").replaceAll(/:(\w+)/g, "{$1}");
    for (const method of methods.split(", ")) if (method !== "" && method !== "HEAD") found.push(`${method} ${path}`);
  }
  return found.sort();
}

describe("src/README.md", () => {
  it("names every folder under src", () => {
    const text = read("src/README.md");
    const folders = readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true })
      .filter((entry) => entry.isDirectory())
      .map((entry) => join(entry.parentPath, entry.name).slice(join(ROOT, "src").length + 1));
    const missing = folders.filter((folder) => !text.includes(`${folder.split("/").at(-1)}/`));
    expect(missing).toEqual([]);
  });
});
