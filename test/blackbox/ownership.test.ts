/** Things that an app makes are their makers' alone, although the app itself would give them to anybody; both lanes, two workers. */
import { afterAll, describe, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { LANES } from "#test/support/lanes.ts";
import { ADMIN_TOKEN, askJson, type KeyWish, rows, startScene, text } from "#test/support/scene.ts";
import { answer, newShelf, plainly } from "#test/support/shelf.ts";
import { metricOf } from "#test/support/metrics.ts";
import { until } from "#test/support/until.ts";

const jwks = await startJwks(makeKey("ES256"));
afterAll(() => jwks.close());

const thing = { kind: "models", id: "path.id" };

function configOf(lane: string, unknown = "allow") {
  return {
    server: { workers: 2, adminToken: ADMIN_TOKEN, lane },
    identity: {
      issuers: [
        {
          name: "main",
          issuer: jwks.issuer,
          jwks: jwks.url,
          audiences: ["api"],
          claims: { account: "org", roles: "role" },
        },
      ],
    },
    roles: { Admin: ["*", "tollgate:resources:share"], User: ["models:read"], Operator: ["models:read:own"] },
    resources: { models: { unknown } },
    routes: [
      { name: "create", match: { path: "/models", methods: ["POST"] }, upstream: "app", learns: "models" },
      {
        name: "delete",
        match: { path: "/models/{id}", methods: ["DELETE"] },
        upstream: "app",
        require: { resource: thing },
        forgets: "models",
      },
      {
        name: "model",
        match: { path: "/models/{id}", methods: ["GET", "PUT", "PATCH", "OPTIONS"] },
        upstream: "app",
        require: { resource: thing },
      },
      {
        name: "own-model",
        match: { path: "/own/{id}" },
        upstream: "app",
        require: { permissions: ["models:read"], own: "resource", resource: thing },
      },
      {
        name: "open",
        match: { path: "/open/{id}" },
        upstream: "app",
        auth: "optional",
        require: { resource: thing },
      },
      {
        name: "by-query",
        match: { path: "/model" },
        upstream: "app",
        require: { resource: { kind: "models", id: "query.id" } },
      },
    ],
  };
}

describe.each(LANES)("on the lane %s", async (lane) => {
  const shelf = newShelf();
  const scene = await startScene({ config: configOf(lane), handler: shelf.handler });
  const { gateway, operator, upstream } = scene;
  afterAll(() => scene[Symbol.asyncDispose]());

  const keyOf = (wish: KeyWish = {}) => operator.key(wish);
  const ask = (bearer: string, method: string, path: string, body?: unknown) =>
    askJson(gateway.url + path, { method, bearer, body });
  const own = (bearer: string, method: string, path: string, body?: unknown) =>
    ask(bearer, method, `/_tollgate/resources${path}`, body);
  const make = async (bearer: string): Promise<string> => {
    const made = await ask(bearer, "POST", "/models", {});
    expect(made.status).toBe(201);
    return text(made.body, "id");
  };
  const acme = await keyOf();
  const globex = await keyOf();
  const hooli = await keyOf();
  /** Several times, so that both workers are asked. */
  const statuses = async (bearer: string, method: string, path: string) =>
    new Set(await Promise.all(Array.from({ length: 6 }, async () => (await ask(bearer, method, path)).status)));

  test("whoever made a thing has it, and to others it is not there, whatever the method", async () => {
    const id = await make(acme.secret);
    for (const method of ["GET", "PUT", "PATCH", "OPTIONS"]) {
      expect(await statuses(acme.secret, method, `/models/${id}`)).toEqual(new Set([200]));
      upstream.clear();
      expect(await statuses(globex.secret, method, `/models/${id}`)).toEqual(new Set([404]));
      expect(upstream.count).toBe(0);
    }
    expect(await ask(globex.secret, "DELETE", `/models/${id}`)).toMatchObject({
      status: 404,
      body: { error: "not_found", rule: "resource:models" },
    });
    expect(shelf.ids).toContain(id);
    const another = await keyOf({ account: acme.account });
    expect((await ask(another.secret, "GET", `/models/${id}`)).status).toBe(200);
    expect((await ask(globex.secret, "GET", `/model?id=${id}`)).status).toBe(404);
    expect((await ask(globex.secret, "GET", `/model?id=${id}&id=x`)).status).toBe(400);
    expect((await ask(globex.secret, "GET", "/model")).status).toBe(404);
  });

  test("nobody gets at a thing by leaving the credential out where that is optional", async () => {
    const id = await make(acme.secret);
    upstream.clear();
    expect(await askJson(`${gateway.url}/open/${id}`)).toMatchObject({
      status: 401,
      body: { error: "credentials_missing" },
    });
    expect(upstream.count).toBe(0);
    expect(await statuses(globex.secret, "GET", `/open/${id}`)).toEqual(new Set([404]));
    expect(await statuses(acme.secret, "GET", `/open/${id}`)).toEqual(new Set([200]));
  });

  test("a thing that nobody is known to own is the app's affair, until somebody owns it", async () => {
    shelf.put("old");
    expect(await statuses(globex.secret, "GET", "/models/old")).toEqual(new Set([200]));
    expect(await statuses(globex.secret, "GET", "/models/none")).toEqual(new Set([404]));
    const seeded = await operator.call("PUT", "/admin/resources/models/old", { account: acme.account });
    expect(seeded).toMatchObject({
      status: 201,
      body: { kind: "models", id: "old", account: acme.account, user: null },
    });
    expect(await statuses(globex.secret, "GET", "/models/old")).toEqual(new Set([404]));
    expect(await statuses(acme.secret, "GET", "/models/old")).toEqual(new Set([200]));
    expect((await operator.call("DELETE", "/admin/resources/models/old")).status).toBe(200);
    expect(await statuses(globex.secret, "GET", "/models/old")).toEqual(new Set([200]));
  });

  test("what is deleted is nobody's; its id may be somebody else's then", async () => {
    shelf.tell((_id, response) => plainly("again", response));
    await make(acme.secret);
    shelf.put("again");
    expect((await ask(globex.secret, "GET", "/models/again")).status).toBe(404);
    expect((await ask(acme.secret, "DELETE", "/models/again")).status).toBe(204);
    await until(
      "it is forgotten",
      async () => (await operator.call("GET", "/admin/resources/models/again")).status === 404,
    );
    await make(globex.secret);
    shelf.put("again");
    shelf.tell(plainly);
    expect(await statuses(globex.secret, "GET", "/models/again")).toEqual(new Set([200]));
    expect(await statuses(acme.secret, "GET", "/models/again")).toEqual(new Set([404]));
  });

  test("a 404 of the app ends it only for its owner", async () => {
    const id = await make(acme.secret);
    await operator.call("PUT", `/admin/resources/models/${id}/grants/${globex.account}`, { access: "write" });
    upstream.answer((request, response) =>
      request.method === "DELETE" ? answer(response, 404, {}) : shelf.handler(request, response),
    );
    expect((await ask(globex.secret, "DELETE", `/models/${id}`)).status).toBe(404);
    expect((await operator.call("GET", `/admin/resources/models/${id}`)).status).toBe(200);
    expect((await ask(acme.secret, "DELETE", `/models/${id}`)).status).toBe(404);
    expect((await operator.call("GET", `/admin/resources/models/${id}`)).status).toBe(404);
    upstream.answer(shelf.handler);
  });

  test("other spellings of an id are the same thing, since apps take them so", async () => {
    shelf.tell((_id, response) => plainly("4711", response));
    await make(acme.secret);
    shelf.put("4711");
    shelf.tell(plainly);
    for (const spelling of ["4711", "04711", "+4711", "4711.0", "4711-title", "4711abc", "%204711", "%EF%BC%94711"]) {
      expect([spelling, await statuses(globex.secret, "GET", `/models/${spelling}`)]).toEqual([
        spelling,
        new Set([404]),
      ]);
    }
    expect(await statuses(acme.secret, "GET", "/models/04711")).toEqual(new Set([200]));
    expect((await ask(globex.secret, "GET", `/models/${"9".repeat(300)}`)).status).toBe(404);
  });

  test("shared to read it is read, shared to write it is changed, and taken back it is gone", async () => {
    const id = await make(acme.secret);
    const grant = `/models/${id}/grants/${globex.account}`;
    expect(await own(acme.secret, "GET", grant)).toMatchObject({ status: 404 });
    expect(await own(acme.secret, "PUT", grant, { access: "read" })).toMatchObject({
      status: 200,
      body: { account: globex.account, access: "read" },
    });
    expect(await statuses(globex.secret, "GET", `/models/${id}`)).toEqual(new Set([200]));
    expect(await statuses(globex.secret, "PUT", `/models/${id}`)).toEqual(new Set([404]));
    expect(await statuses(hooli.secret, "GET", `/models/${id}`)).toEqual(new Set([404]));
    await own(acme.secret, "PUT", grant, { access: "write" });
    expect(await statuses(globex.secret, "PUT", `/models/${id}`)).toEqual(new Set([200]));
    const list = await own(acme.secret, "GET", `/models/${id}/grants`);
    expect(rows(list.body, "data")).toMatchObject([{ account: globex.account, access: "write" }]);
    expect((await own(acme.secret, "DELETE", grant)).status).toBe(200);
    expect((await own(acme.secret, "DELETE", grant)).status).toBe(404);
    expect(await statuses(globex.secret, "GET", `/models/${id}`)).toEqual(new Set([404]));
  });

  test("nobody shares what is another's, and sharing needs its permission", async () => {
    const id = await make(acme.secret);
    const path = `/models/${id}/grants`;
    await operator.call("PUT", `/admin/resources${path}/${globex.account}`, { access: "write" });
    for (const [method, to] of [
      ["GET", path],
      ["GET", `${path}/${globex.account}`],
      ["PUT", `${path}/${hooli.account}`],
      ["DELETE", `${path}/${globex.account}`],
    ] as const) {
      const body = method === "PUT" ? { access: "read" } : undefined;
      expect(await own(globex.secret, method, to, body)).toMatchObject({ status: 404, body: { error: "not_found" } });
    }
    const plain = await keyOf({ account: acme.account, roles: ["User"] });
    expect(await own(plain.secret, "GET", path)).toMatchObject({
      status: 403,
      body: { error: "permission_denied", required_permission: "tollgate:resources:share" },
    });
    expect((await own(acme.secret, "PUT", `${path}/nobody`, { access: "read" })).status).toBe(404);
    expect((await own(acme.secret, "PUT", `${path}/${acme.account}`, { access: "read" })).status).toBe(400);
    expect((await own(acme.secret, "PUT", `${path}/${hooli.account}`, { access: "all" })).status).toBe(400);
  });

  test("who may read only their own reads what they made, and nothing of their account's else", async () => {
    const token = (sub: string, role = "Operator") => jwks.token({ claims: { aud: "api", sub, org: "initech", role } });
    const id = await make(token("u1"));
    shelf.put(id);
    const status = async (bearer: string, which: string) => (await ask(bearer, "GET", `/own/${which}`)).status;
    expect(await status(token("u1"), id)).toBe(200);
    expect(await status(token("u2"), id)).toBe(404);
    expect(await status(token("u2", "User"), id)).toBe(200);
    shelf.put("unowned");
    expect(await status(token("u1"), "unowned")).toBe(404);
    expect(await status(token("u1", "User"), "unowned")).toBe(200);
    const key = await keyOf({ roles: ["Operator"] });
    expect(await status(key.secret, id)).toBe(403);
    const shown = await operator.call("GET", `/admin/resources/models/${id}`);
    expect(shown.body).toMatchObject({ user: "u1" });
  });

  test.each([
    ["in one piece", plainly],
    [
      "chunked, the id in two pieces",
      (id: string, response: Parameters<typeof plainly>[1]) => {
        response.writeHead(201, { "content-type": "application/json" });
        response.write(`{"id":"${id.slice(0, 2)}`);
        setTimeout(() => response.end(`${id.slice(2)}","name":"x"}`), 20);
      },
    ],
    [
      "with a length, in many pieces",
      (id: string, response: Parameters<typeof plainly>[1]) => {
        const body = JSON.stringify({ pad: "x".repeat(200_000), id });
        response.writeHead(201, { "content-type": "application/json", "content-length": body.length });
        response.write(body.slice(0, 100_000));
        setTimeout(() => response.end(body.slice(100_000)), 20);
      },
    ],
  ])("an answer that comes %s is passed on whole, and learned from", async (_how, telling) => {
    shelf.tell(telling);
    const id = await make(acme.secret);
    shelf.tell(plainly);
    expect(await statuses(globex.secret, "GET", `/models/${id}`)).toEqual(new Set([404]));
    expect(await statuses(acme.secret, "GET", `/models/${id}`)).toEqual(new Set([200]));
  });

  test("whole numbers are ids; what is none is told of, loudly, and the answer passes as it is", async () => {
    const faults = () => metricOf(gateway, "tollgate_resource_faults_total");
    shelf.tell((_id, response) => answer(response, 201, { id: 815 }));
    expect((await ask(acme.secret, "POST", "/models", {})).body).toEqual({ id: 815 });
    shelf.put("815");
    expect((await ask(globex.secret, "GET", "/models/815")).status).toBe(404);
    const before = await faults();
    const bad = [
      {},
      { id: null },
      { id: 1.5 },
      { id: 1e21 },
      { id: true },
      { id: "" },
      { id: "x".repeat(256) },
      { id: {} },
      [],
    ];
    for (const body of bad) {
      shelf.tell((_id, response) => answer(response, 201, body));
      expect((await ask(acme.secret, "POST", "/models", {})).body).toEqual(body);
    }
    expect(await faults()).toBe(before + bad.length);
    shelf.tell((id, response) => answer(response, 200, { id }));
    expect((await ask(acme.secret, "POST", "/models", {})).status).toBe(200);
    expect(await faults()).toBe(before + bad.length);
    shelf.tell(plainly);
    const lines = gateway.logs().filter(({ event }) => event === "resource-unlearned");
    expect(lines).toHaveLength(bad.length);
    expect(lines[0]).toMatchObject({ kind: "models", reason: "missing", route: "create", account: acme.account });
  });

  test("an id that is another's already stays another's", async () => {
    const id = await make(acme.secret);
    shelf.tell((_id, response) => plainly(id, response));
    await make(globex.secret);
    shelf.tell(plainly);
    expect((await ask(globex.secret, "GET", `/models/${id}`)).status).toBe(404);
    expect(gateway.logs().filter(({ reason }) => reason === "taken")).toHaveLength(1);
  });

  test("explain says whose it is", async () => {
    const id = await make(acme.secret);
    const explain = async (key: string, path: string) => {
      const { stdout } = await gateway.cli("explain", "GET", path, "--key", key, "--json");
      return JSON.parse(stdout).answer;
    };
    expect(await explain(acme.secret, `/models/${id}`)).toMatchObject({ status: null });
    expect(await explain(globex.secret, `/models/${id}`)).toMatchObject({ status: 404, code: "not_found" });
    await own(acme.secret, "PUT", `/models/${id}/grants/${globex.account}`, { access: "read" });
    expect(await explain(globex.secret, `/models/${id}`)).toMatchObject({ status: null });
  });
});
