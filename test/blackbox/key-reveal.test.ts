/** Keys that can be shown again: where the file says so, to whom may, written down each time, and nowhere on disk as they are. */
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { ADMIN_TOKEN, askJson, rows, startScene, text } from "#test/support/scene.ts";

const jwks = await startJwks(makeKey("ES256"));
const claims = { account: "org", roles: "roles" };
const issuers = [{ name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims }];
const identity = { issuers, keys: { storage: "retrievable" } };
const server = { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen: true };
const roles = { Admin: ["*"], User: ["models:read"], Seer: ["tollgate:keys:*"], Super: ["tollgate:*"] };
const scene = await startScene({ config: { server, identity, roles } });
const { gateway, operator } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const own = (path: string, bearer: string, method = "POST", body?: unknown) =>
  askJson(`${gateway.url}/_tollgate${path}`, { method, bearer, ...(body === undefined ? {} : { body }) });
const token = (org: string, role: string) => jwks.token({ claims: { aud: "api", sub: "ada", org, roles: [role] } });
const entries = async (target: string) =>
  rows((await operator.call("GET", `/admin/audit?target=${target}&action=key.revealed`)).body, "data");

test("an operator reads a key's secret again, after a rotation the new one, each time with an entry and never in a cache", async () => {
  const key = await operator.key();
  const first = await operator.call("POST", `/admin/keys/${key.id}/reveal`);
  expect(first).toMatchObject({ status: 200, body: { key: key.secret } });
  expect(first.headers.get("cache-control")).toBe("no-store");
  const rotated = await operator.call("POST", `/admin/keys/${key.id}/rotate`, {});
  expect(rotated.body.retrievable).toBe(true);
  expect((await operator.call("POST", `/admin/keys/${key.id}/reveal`)).body).toEqual({ key: rotated.body.key });
  await operator.call("POST", "/admin/secrets/rotate");
  expect((await operator.call("POST", `/admin/keys/${key.id}/reveal`)).body).toEqual({ key: rotated.body.key });
  const told = await entries(key.id);
  expect(told).toHaveLength(3);
  expect(JSON.stringify(told)).not.toContain(key.secret.slice(-12));
  await operator.call("DELETE", `/admin/keys/${key.id}`);
  expect(await operator.call("POST", `/admin/keys/${key.id}/reveal`)).toMatchObject({ status: 409 });
  expect(await operator.call("POST", "/admin/keys/key_none/reveal")).toMatchObject({ status: 404 });
});

test("a key reads out itself alone, a person keys that may no more than they do, and nobody those of another account", async () => {
  const account = await operator.account({ externalId: "org-1" });
  const admin = await operator.key({ account, roles: ["Admin"] });
  const user = await operator.key({ account, roles: ["User"] });
  const stranger = await operator.key();
  const reveal = async (id: string, bearer: string) => (await own(`/api-keys/${id}/reveal`, bearer)).status;
  expect((await own(`/api-keys/${admin.id}/reveal`, admin.secret)).body).toEqual({ key: admin.secret });
  expect(await reveal(user.id, admin.secret)).toBe(403);
  expect(await reveal(admin.id, user.secret)).toBe(403);
  expect(await reveal(stranger.id, admin.secret)).toBe(404);
  const made = await own("/api-keys", token("org-1", "Admin"), "POST", {});
  const mine = text(made.body, "id");
  expect((await own(`/api-keys/${mine}/reveal`, token("org-1", "Admin"))).body).toEqual({ key: made.body.key });
  expect(await reveal(mine, token("org-1", "User"))).toBe(403);
  expect(await reveal(mine, token("org-2", "Admin"))).toBe(404);
  // A token has the scopes it names, and the key all.
  expect(await reveal(admin.id, token("org-1", "Admin"))).toBe(403);
  expect(await entries(admin.id)).toMatchObject([{ actor: { kind: "key", id: admin.id } }]);
  expect(await entries(mine)).toMatchObject([{ actor: { kind: "user", id: "ada" } }]);
  // Refused ones leave no entry.
  expect(await entries(user.id)).toEqual([]);
});

test("whoever has only a secret that was replaced does not stay by it, and apps are not told of it", async () => {
  const key = await operator.key({ roles: ["Admin"] });
  const boss = await operator.key({ roles: ["Super"] });
  const rotated = await operator.call("POST", `/admin/keys/${key.id}/rotate`, { overlap: "1h" });
  const old = key.secret;
  const path = `/api-keys/${key.id}`;
  expect((await own(`${path}/reveal`, old)).status).toBe(403);
  expect((await own(`${path}/rotate`, old, "POST", { overlap: "0s" })).status).toBe(403);
  expect((await own(path, old, "PATCH", { enabled: false })).status).toBe(403);
  const made = await own("/api-keys", old, "POST", {});
  const [first] = rows((await operator.call("GET", `/admin/keys/${key.id}`)).body, "oldSecrets");
  expect(made).toMatchObject({ status: 201, body: { expiresAt: first?.retiresAt } });
  expect((await own("/api-keys", old, "POST", { expires: "2h" })).status).toBe(403);
  await fetch(`${gateway.url}/x`, { headers: { authorization: `Bearer ${old}` } });
  expect(scene.upstream.last().headers["x-tollgate-secret-retires"]).toBeUndefined();
  const now = text(rotated.body, "key");
  expect((await own(`${path}/reveal`, now)).body).toEqual({ key: now });
  expect((await own(path, now, "PATCH", { name: "mine" })).status).toBe(200);
  await operator.call("POST", `/admin/keys/${boss.id}/rotate`, { overlap: "1h" });
  for (const [operation, body] of [["reveal"], ["rotate", {}]] as const)
    expect([operation, (await own(`/admin/keys/${boss.id}/${operation}`, boss.secret, "POST", body)).status]).toEqual([
      operation,
      403,
    ]);
  const operators = { account: boss.account, roles: ["Super"] };
  expect((await own("/admin/keys", boss.secret, "POST", operators)).status).toBe(403);
  expect((await own(path, old, "DELETE")).status).toBe(200);
});

test("no secret is on disk as it is", async () => {
  const made = await own("/api-keys", (await operator.key()).secret, "POST", {});
  const secret = text(made.body, "key");
  const data = join(gateway.dir, "data");
  const files = readdirSync(data, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const texts = files.map((file) => readFileSync(join(file.parentPath, file.name), "latin1"));
  expect(texts.filter((content) => content.includes(secret) || content.includes(secret.slice(-20)))).toEqual([]);
  expect(gateway.output()).not.toContain(secret);
});
