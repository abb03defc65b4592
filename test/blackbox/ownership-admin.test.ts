/** Operators say whose things are: one by one and many at once, all or none; listed in pages; kept over a restart. */
import { connect } from "node:net";
import { afterAll, expect, test } from "vitest";
import { requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, askJson, operatorOf, rows, sceneConfig, startScene, text } from "#test/support/scene.ts";
import { startGateway } from "#test/support/process.ts";
import { newShelf } from "#test/support/shelf.ts";
import { until } from "#test/support/until.ts";

const shelf = newShelf();
const require = { resource: { kind: "models", id: "path.id" } };
const config = {
  server: { workers: 2, adminToken: ADMIN_TOKEN },
  resources: { models: { unknown: "deny" }, agents: {} },
  routes: [
    { name: "create", match: { path: "/models", methods: ["POST"] }, upstream: "app", learns: "models" },
    { name: "model", match: { path: "/models/{id}", methods: ["GET"] }, upstream: "app", require },
  ],
};
const scene = await startScene({ config, handler: shelf.handler });
const { gateway, operator } = scene;
afterAll(() => scene[Symbol.asyncDispose]());

const acme = await operator.key({ account: await operator.account({ externalId: "acme" }) });
const globex = await operator.key({ account: await operator.account({ externalId: "globex" }) });
const get = async (bearer: string, id: string) => (await askJson(`${gateway.url}/models/${id}`, { bearer })).status;
const put = (resources: unknown) => operator.call("POST", "/admin/resources/import", { resources });
const model = (id: string, account = "acme") => ({ kind: "models", id, account });

test("ten thousand are imported at once, and are in force on the next request", async () => {
  const list = Array.from({ length: 10_000 }, (_, index) => model(`big-${index}`));
  for (const id of ["big-0", "big-9999"]) shelf.put(id);
  expect(await get(acme.secret, "big-9999")).toBe(404);
  expect(await put(list)).toMatchObject({ status: 200, body: { resources: 10_000 } });
  expect([await get(acme.secret, "big-9999"), await get(globex.secret, "big-9999")]).toEqual([200, 404]);
  expect(await put([...list, model("big-10000")])).toMatchObject({ status: 400, body: { path: "body/resources" } });
});

test.each([
  ["another account's", [model("n1"), model("big-1", "globex")], 409, "conflict", "body/resources/1"],
  ["one for two", [model("n1"), model("n2"), model("n1", "globex")], 409, "conflict", "body/resources/2"],
  ["an account that is not there", [model("n1"), model("n2", "nobody")], 400, "malformed_request", "body/resources/1"],
  [
    "a kind that is not in the file",
    [model("n1"), { ...model("n2"), kind: "things" }],
    400,
    "malformed_request",
    "body/resources/1",
  ],
  ["a control character", [model("n1"), model("n\u0007")], 400, "malformed_request", "body/resources/1"],
  ["an id that is too long", [model("n1"), model("n".repeat(256))], 400, "malformed_request", "body/resources/1/id"],
  ["an unknown member", [{ ...model("n1"), owner: "x" }], 400, "malformed_request", "body/resources/0/owner"],
  ["nothing", [], 400, "malformed_request", "body/resources"],
])("an import with %s is refused as a whole, with its place", async (_what, list, status, error, path) => {
  expect(await put(list)).toMatchObject({ status, body: { error, path } });
  expect((await operator.call("GET", "/admin/resources/models/n1")).status).toBe(404);
});

test("they are listed in pages, whatever their ids look like", async () => {
  const ids = ["a/b", "a b", "ü", "?&=", "...", "%2f", "'; DROP TABLE resources; --", "x".repeat(255)];
  for (const id of ids) {
    const path = `/admin/resources/agents/${encodeURIComponent(id)}`;
    const made = await operator.call("PUT", path, { account: "globex", user: "u1" });
    expect(made).toMatchObject({ status: 201, body: { kind: "agents", id, account: globex.account, user: "u1" } });
    expect((await operator.call("GET", path)).body).toEqual(made.body);
  }
  const seen: unknown[] = [];
  let cursor: unknown = null;
  do {
    const at = typeof cursor === "string" ? `&cursor=${encodeURIComponent(cursor)}` : "";
    const { body } = await operator.call("GET", `/admin/resources?kind=agents&account=globex&limit=3${at}`);
    seen.push(...rows(body, "data").map(({ id }) => id));
    cursor = body.nextCursor;
  } while (cursor !== null);
  expect([...seen].sort()).toEqual([...ids].sort());
  const none = await operator.call("GET", "/admin/resources?kind=agents&account=acme");
  expect(none.body).toEqual({ data: [], nextCursor: null });
  expect((await operator.call("GET", "/admin/resources?cursor=nonsense")).status).toBe(400);
  expect((await operator.call("GET", "/admin/resources?account=nobody")).status).toBe(404);
});

test("with another owner a thing is shared with nobody, with the same one it stays shared", async () => {
  const path = "/admin/resources/models/moved";
  shelf.put("moved");
  await operator.call("PUT", path, { account: "acme" });
  await operator.call("PUT", `${path}/grants/globex`, { access: "read" });
  expect(await get(globex.secret, "moved")).toBe(200);
  expect((await operator.call("PUT", path, { account: "acme", user: "u9" })).status).toBe(200);
  expect(await get(globex.secret, "moved")).toBe(200);
  await operator.call("PUT", path, { account: await operator.account() });
  expect([await get(globex.secret, "moved"), await get(acme.secret, "moved")]).toEqual([404, 404]);
  expect((await operator.call("GET", `${path}/grants`)).body).toEqual({ data: [] });
});

test("a client that leaves in the middle of the answer leaves a thing that is nobody's, and that is told", async () => {
  shelf.tell((id, response) => {
    response.writeHead(201, { "content-type": "application/json" });
    response.write(`{"id":"${id}"`);
  });
  const socket = connect(gateway.port, "127.0.0.1");
  socket.write(requestHead("POST", "/models", [acme.line, "Content-Length: 0"]));
  await new Promise((resolve) => socket.once("data", resolve));
  socket.destroy();
  const said = () => gateway.logs().find(({ event, reason }) => event === "resource-unlearned" && reason === "cut");
  await until("it is told", () => said() !== undefined);
  expect(said()).toMatchObject({ kind: "models", account: acme.account });
});

test("owners and shares are there after a crash, and each change was written down", async () => {
  const friend = await operator.account({ externalId: "friend" });
  shelf.put("kept");
  await operator.call("PUT", "/admin/resources/models/kept", { account: "acme" });
  await operator.call("PUT", `/admin/resources/models/kept/grants/${friend}`, { access: "write" });
  const key = await operator.key({ account: friend });
  const { body } = await operator.call("GET", "/admin/audit?target=models/kept");
  expect(rows(body, "data").map(({ action }) => action)).toEqual(["resource.shared", "resource.registered"]);
  await gateway.kill();
  await using again = await startGateway({ ...sceneConfig(scene.upstream.url), ...config }, { dir: gateway.dir });
  const status = async (bearer: string) => (await askJson(`${again.url}/models/kept`, { bearer })).status;
  expect([await status(acme.secret), await status(key.secret), await status(globex.secret)]).toEqual([200, 200, 404]);
  expect(text((await operatorOf(again).call("GET", "/admin/resources/models/kept")).body, "account")).toBe(
    acme.account,
  );
});
