/** Credentials that are sent in an account's name: on the next request, instead of whatever the client sent, by both lanes, and shown to nobody. */
import { readFileSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { connectionToEach, openConnection } from "#test/support/connection.ts";
import { LANES } from "#test/support/lanes.ts";
import { type MadeKey, rows, type Scene, startScene } from "#test/support/scene.ts";
import { startGateway } from "#test/support/process.ts";
import { startUpstream } from "#test/support/upstream.ts";

const VALUE = "Bearer upstream-secret-of-this-account-1234";

async function startAll(lane: string): Promise<Scene> {
  const server = { workers: 2, adminToken: "an-admin-token-for-tests-0123456789", lane };
  return startScene({ config: { server }, upstream: { credentials: "pass" } });
}

/** Headers the upstream got, by lower-case name; those of one name as a list. */
async function received(scene: Scene, key: MadeKey, lines: readonly string[] = []) {
  const connection = await openConnection(scene.gateway.port);
  const { status } = await connection.ask("GET", "/x", [key.line, ...lines]);
  connection[Symbol.dispose]();
  const raw = status === 200 ? scene.upstream.last().rawHeaders : [];
  const of = (name: string) => raw.filter((_, index) => index % 2 === 1 && raw[index - 1]?.toLowerCase() === name);
  return { status, of };
}

describe.each(LANES)("lane %s", async (lane) => {
  const scene = await startAll(lane);
  const { operator, gateway } = scene;

  afterAll(() => scene[Symbol.asyncDispose]());

  test("what is set is sent on the next request on every worker, another value replaces it, and what is removed is not sent", async () => {
    const { upstream } = scene;
    const key = await operator.key();
    const stranger = await operator.key();
    const path = `/admin/accounts/${key.account}/upstream-credentials`;
    const workers = await connectionToEach(gateway, 2);
    const all = async (by: MadeKey) => {
      const values = [];
      for (const connection of workers) {
        await connection.ask("GET", "/x", [by.line, "X-Token: mine"]);
        values.push(upstream.last().headers["x-token"]);
      }
      return values;
    };
    expect(await all(key)).toEqual(["mine", "mine"]);
    const set = await operator.call("PUT", `${path}/app/X-Token`, { value: VALUE });
    expect(set).toMatchObject({ status: 200, body: { upstream: "app", header: "x-token", masked: "…1234" } });
    expect(await all(key)).toEqual([VALUE, VALUE]);
    expect(await all(stranger)).toEqual(["mine", "mine"]);
    await operator.call("PUT", `${path}/app/x-token`, { value: "short" });
    expect(await all(key)).toEqual(["short", "short"]);
    expect((await operator.call("POST", "/admin/secrets/rotate")).body).toMatchObject({ resealed: 1 });
    expect(await all(key)).toEqual(["short", "short"]);
    const list = await operator.call("GET", path);
    expect(rows(list.body, "data")).toMatchObject([{ upstream: "app", header: "x-token", masked: "…" }]);
    expect(await operator.call("DELETE", `${path}/app/x-token`)).toMatchObject({ status: 200 });
    expect(await operator.call("DELETE", `${path}/app/x-token`)).toMatchObject({ status: 404 });
    expect(await all(key)).toEqual(["mine", "mine"]);
    for (const connection of workers) connection[Symbol.dispose]();
  });

  test("the client's own, its twins with other signs, and one named in Connection never get there", async () => {
    const key = await operator.key();
    const set = (header: string, value: string) =>
      operator.call("PUT", `/admin/accounts/${key.account}/upstream-credentials/app/${header}`, { value });
    await set("authorization", VALUE);
    await set("x-token", "ours");
    const { of } = await received(scene, key, ["X-TOKEN: a", "x-token: b", "x-tokens: e"]);
    expect(of("authorization")).toEqual([VALUE]);
    expect(of("x-token")).toEqual(["ours"]);
    expect(of("x-tokens")).toEqual(["e"]);
    const seen: number[] = [];
    for (const line of [
      "X_Token: c",
      "x.token: c",
      "x~token: c",
      "Connection: x-token",
      "Connection: close, X-Token",
    ]) {
      const hidden = await received(scene, key, [line]);
      seen.push(hidden.status);
      const got = ["x-token", "x_token", "x.token", "x~token"].map(hidden.of);
      expect(got).toEqual(hidden.status === 200 ? [["ours"], [], [], []] : [[], [], [], []]);
    }
    // Underscores are refused anyway.
    expect(seen).toEqual([400, 200, 200, 200, 200]);
  });

  test("one that cannot be opened is not left out: 503, for this account and this upstream alone", async () => {
    await using other = await startUpstream();
    await using upstream = await startUpstream();
    const config = {
      version: 1,
      server: { workers: 2, adminToken: "an-admin-token-for-tests-0123456789", lane },
      roles: { Admin: ["*"] },
      upstreams: { app: { targets: [upstream.url] }, other: { targets: [other.url] } },
      routes: [
        { name: "other", match: { path: "/other" }, upstream: "other" },
        { name: "all", match: { path: "/**" }, upstream: "app" },
      ],
    };
    await using broken = await startScene({ config });
    const key = await broken.operator.key();
    await broken.operator.call("PUT", `/admin/accounts/${key.account}/upstream-credentials/app/x-token`, {
      value: VALUE,
    });
    const ask = async (on: { readonly port: number }, path: string) => {
      const connection = await openConnection(on.port);
      const answer = await connection.ask("GET", path, [key.line, "X-Token: mine"]);
      connection[Symbol.dispose]();
      return answer;
    };
    expect((await ask(broken.gateway, "/x")).status).toBe(200);
    await broken.gateway.stop();
    writeFileSync(join(broken.gateway.dir, "data", "sealing-keys"), "");
    await using again = await startGateway(config, { dir: broken.gateway.dir });
    upstream.clear();
    const refused = await ask(again, "/x");
    expect([refused.status, refused.body.toString()]).toEqual([503, expect.stringContaining("secret_unavailable")]);
    expect(upstream.count).toBe(0);
    expect((await ask(again, "/other")).status).toBe(200);
    expect(again.output()).toContain("sealing-key-missing");
  });

  test("the value is nowhere on disk, in the log, in the audit log or in an answer", async () => {
    const { account, ...key } = await operator.key();
    const path = `/admin/accounts/${account}/upstream-credentials`;
    const answers = [
      await operator.call("PUT", `${path}/app/x-token`, { value: VALUE }),
      await operator.call("PUT", `${path}/app/x-token`, { value: `${VALUE}\n` }),
      await operator.call("GET", path),
      await operator.call("GET", "/admin/audit"),
      await operator.call("GET", `/admin/accounts/${account}`),
    ];
    expect((await received(scene, { account, ...key })).status).toBe(200);
    const secret = VALUE.slice(0, 30);
    expect(JSON.stringify(answers.map(({ body }) => body))).not.toContain(secret);
    expect(gateway.output()).not.toContain(secret);
    const data = join(gateway.dir, "data");
    const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
    const texts = files.map((file) => readFileSync(join(file.parentPath, file.name), "latin1"));
    expect(texts.length).toBeGreaterThan(3);
    expect(texts.filter((text) => text.includes(secret))).toEqual([]);
  });

  test("bad wishes: headers of the gateway and the connection, values that are none, ids that are none", async () => {
    const account = await operator.account();
    const put = async (header: string, value: unknown, upstream = "app", of = account) =>
      (await operator.call("PUT", `/admin/accounts/${of}/upstream-credentials/${upstream}/${header}`, { value })).status;
    for (const header of [
      "host", "Content-Length", "transfer-encoding", "connection", "te", "upgrade", "expect", "x-tollgate-account", "X-Forwarded-For",
      "x-request-id", "x_token", "x%20token", "x:token", "x%0d%0ay", "%C3%A4", "a".repeat(65),
    ]) expect([header, await put(header, "v")]).toEqual([header, 400]);
    for (const value of ["", " v", "v ", "a\r\nX-Evil: 1", "a\nb", "a\0b", "ä", "\u007f", "x".repeat(4097), 7, null, ["v"]])
      expect([value, await put("x-token", value)]).toEqual([value, 400]);
    expect(await put("x-token", "v", "nowhere")).toBe(404);
    expect(await put("x-token", "v", "constructor")).toBe(404);
    expect(await put("x-token", "v", "app", "acct_none")).toBe(404);
    const many = await Promise.all(Array.from({ length: 40 }, (_, n) => put(`x-token-${n}`, "v")));
    expect(many.filter((status) => status === 200)).toHaveLength(32);
    expect(many.filter((status) => status === 409)).toHaveLength(8);
  }); // biome-ignore format: lists
});

test("a header by which a route tells whose a request is cannot be put over what the client sent and the gateway checked", async () => {
  const routes = [
    { name: "mine", match: { path: "/mine" }, upstream: "app", require: { account: "header.x-project" } },
    { name: "users", match: { path: "/users" }, upstream: "app", require: { owner: "header.x-person" } },
  ];
  const server = { workers: 2, adminToken: "an-admin-token-for-tests-0123456789" };
  await using scene = await startScene({ config: { server, routes } });
  const { operator } = scene;
  const account = await operator.account();
  const put = async (header: string) => {
    const path = `/admin/accounts/${account}/upstream-credentials/app/${header}`;
    const { status, body } = await operator.call("PUT", path, { value: "another" });
    return [status, body.path ?? null];
  };
  expect(await put("X-Project")).toEqual([400, "params/header"]);
  expect(await put("x-person")).toEqual([400, "params/header"]);
  expect(await put("x-token")).toEqual([200, null]);
});
