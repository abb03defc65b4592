/** The page and the document of a real gateway: valid, complete, and at ease in a real browser. */
import { Validator } from "@seriousme/openapi-schema-validator";
import { afterAll, describe, expect, test } from "vitest";
import { ERROR_CODES } from "#core/errors.ts";
import { ADMIN_ROUTES } from "#config/admin-routes.ts";
import { builtinRoutesOf } from "#config/builtin-routes.ts";
import { startBrowser } from "#test/support/browser.ts";
import { needs } from "#test/support/needs.ts";
import { ADMIN_TOKEN, askJson, sceneConfig, startScene } from "#test/support/scene.ts";

const plans = {
  free: { default: true, name: "<script>alert(1)</script>", quotas: { api_calls: { limit: 100, per: "month" } } },
  pro: { price: { monthly: 2900, yearly: 29000, currency: "usd" }, rates: { api: { limit: 600, per: "1m" } } },
};
const server = { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen: true };
const config = { server, plans, rates: { api: { limit: 60, per: "1m" } } };
const scene = await startScene({ config });
const { gateway, upstream } = scene;
const own = `${gateway.url}/_tollgate`;
const admin = `${gateway.adminUrl}`;

afterAll(() => scene[Symbol.asyncDispose]());

function operationsOf(paths: unknown): readonly string[] {
  return Object.entries(paths ?? {}).flatMap(([path, item]) =>
    Object.keys(item).map((method) => `${method.toUpperCase()} ${path}`),
  );
}

test.each([own, admin])("the document is valid OpenAPI 3.1, needs no credentials and is fresh: %s", async (base) => {
  const { status, headers, body } = await askJson(`${base}/openapi.json`);
  expect([status, headers.get("content-type"), headers.get("cache-control")]).toEqual([
    200,
    "application/json; charset=utf-8",
    "no-cache",
  ]);
  const validator = new Validator();
  expect(await validator.validate(structuredClone(body))).toEqual({ valid: true });
  expect([validator.version, body.openapi]).toEqual(["3.1", "3.1.1"]);
});

test("each listener documents what it serves, and nothing else", async () => {
  const { body } = await askJson(`${own}/openapi.json`);
  const routed = builtinRoutesOf({ adminOnListen: true }).map(({ method, path }) => `${method} ${path}`);
  expect([...operationsOf(body.paths)].sort()).toEqual([...routed].sort());
  expect(body.servers).toEqual([{ url: "/_tollgate" }]);
  const operators = await askJson(`${admin}/openapi.json`);
  const operations = ADMIN_ROUTES.flatMap(({ method, path, permission }) =>
    permission === null ? [] : [`${method} ${path}`],
  );
  const open = ["/health", "/ready", "/metrics", "/openapi.json", "/docs"].map((path) => `GET ${path}`);
  expect([...operationsOf(operators.body.paths)].sort()).toEqual([...operations, ...open].sort());
});

test("a reload is in the next document: the admin API goes, errors change their form", async () => {
  await using other = await startScene({ config });
  const url = `${other.gateway.url}/_tollgate/openapi.json`;
  expect(operationsOf((await askJson(url)).body.paths)).toContain("GET /admin/events");
  const errors = { format: "plain" };
  const next = { ...sceneConfig(other.upstream.url), ...config, errors, server: { ...server, adminOnListen: false } };
  expect((await other.gateway.reload(next)).event).toBe("reloaded");
  const { body } = await askJson(url);
  expect(operationsOf(body.paths)).not.toContain("GET /admin/events");
  expect(JSON.stringify(body)).not.toContain("application/problem+json");
});

test("no text of the file is markup, and nobody may frame the page", async () => {
  const answer = await fetch(`${own}/docs`);
  const page = await answer.text();
  expect(answer.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(answer.headers.get("content-security-policy")).toMatch(
    /^default-src 'none'; style-src 'sha256-[\w+/=]+'; img-src data:; base-uri 'none'; form-action 'none'; frame-ancestors 'none'$/,
  );
  expect(page).toContain("&lt;script&gt;alert(1)&lt;/script&gt;");
  expect(page).not.toMatch(/<script|<[^>]+ on\w+=|style="/i);
  expect(page).not.toContain(ADMIN_TOKEN);
});

describe.skipIf(!needs("chromium"))("in Chromium", () => {
  test.each([own, admin])("the page shows every operation and complains of nothing: %s", async (base) => {
    await using browser = await startBrowser();
    await browser.open(`${base}/docs`);
    const { body } = await askJson(`${base}/openapi.json`);
    expect(await browser.ask("document.querySelectorAll('section').length")).toBe(operationsOf(body.paths).length);
    const targets = await browser.ask("[...document.querySelectorAll('a[href^=\"#\"]')].map((a) => a.hash.slice(1))");
    const ids = await browser.ask("[...document.querySelectorAll('[id]')].map((one) => one.id)");
    expect(ids).toEqual([...new Set(Array.isArray(ids) ? ids : [])]);
    expect(ids).toEqual(expect.arrayContaining(Array.isArray(targets) ? targets : []));
    expect(ids).toEqual(expect.arrayContaining(ERROR_CODES.map((code) => `error-${code}`)));
    // Only the page's own style can make it a grid.
    const look = "[getComputedStyle(document.body).display, getComputedStyle(document.body).backgroundColor]";
    await browser.prefer("light");
    expect(await browser.ask(look)).toEqual(["grid", "rgb(255, 255, 255)"]);
    await browser.prefer("dark");
    expect(await browser.ask(look)).toEqual(["grid", "rgb(13, 17, 23)"]);
    expect(browser.complaints).toEqual([]);
    expect(browser.fetched).toEqual([`${base}/docs`]);
    expect(upstream.count).toBe(0);
  });

  test("a page that wanted a script or a picture would be caught", async () => {
    await using browser = await startBrowser();
    await browser.open(`${own}/docs`);
    await browser.ask(
      "document.body.append(Object.assign(new Image(), { src: '/x.png' }), Object.assign(document.createElement('script'), { textContent: 'window.ran = 1' })) ?? 0",
    );
    await browser.open("about:blank");
    expect(browser.complaints.join()).toMatch(/Content Security Policy.*img-src/s);
    expect(browser.complaints.join()).toMatch(/Content Security Policy.*script/s);
  });
});
