/** Customers change and rotate keys of their own account, and nobody comes by more than they have: not by a new key, a change or a rotation. */
import { afterAll, expect, test } from "vitest";
import { askJson, type JsonAnswer, startScene, text } from "#test/support/scene.ts";

const scene = await startScene({
  config: {
    identity: {
      issuers: [{ name: "local", preset: "local", audiences: ["api"], claims: { account: "project", roles: "roles" } }],
    },
  },
});
const { gateway, operator } = scene;
const account = await operator.account({ externalId: "proj-1" });
const stranger = await operator.key();

afterAll(() => scene[Symbol.asyncDispose]());

const own = (path: string, bearer: string, method = "GET", body?: unknown) =>
  askJson(`${gateway.url}/_tollgate${path}`, { method, body, bearer });

interface Made {
  readonly id: string;
  readonly secret: string;
}

async function key(wish: Readonly<Record<string, unknown>> = {}): Promise<Made> {
  const answer = await operator.call("POST", "/admin/keys", { account, roles: ["User"], ...wish });
  if (answer.status !== 201) throw new Error(JSON.stringify(answer.body));
  return { id: text(answer.body, "id"), secret: text(answer.body, "key") };
}

async function token(...roles: readonly string[]): Promise<string> {
  const chosen = roles.flatMap((role) => ["--role", role]);
  return (await gateway.cli("token", "--account", "proj-1", "--user", "u1", ...chosen)).stdout.trim();
}

const patch = ({ id }: Made, bearer: string, body: unknown) => own(`/api-keys/${id}`, bearer, "PATCH", body);
const rotate = ({ id }: Made, bearer: string) => own(`/api-keys/${id}/rotate`, bearer, "POST", { overlap: "1h" });

function statusOf({ status, body }: JsonAnswer): string {
  return status < 300 ? String(status) : `${status} ${String(body.error)}`;
}

const DENIED = "403 permission_denied";

test("a narrowed key makes keys that are narrowed as it is, or more", async () => {
  const narrowing = {
    routes: ["all", "tollgate.api-keys.create"],
    methods: ["GET", "POST"],
    addresses: ["127.0.0.0/8", "10.0.0.0/8"],
  };
  const { secret } = await key(narrowing);
  const make = (wish: object) => own("/api-keys", secret, "POST", wish);
  expect((await make({})).body).toMatchObject(narrowing);
  expect((await make({ routes: null, methods: null, addresses: null })).body).toMatchObject(narrowing);
  const tighter = { routes: ["all"], methods: ["HEAD"], addresses: ["10.1.0.0/16", "127.0.0.1"] };
  expect((await make(tighter)).body).toMatchObject(tighter);
  expect((await make({ scopes: { read: true } })).status).toBe(403);
  const wider = [
    { routes: ["all", "tollgate.auth.me"] },
    { methods: ["GET", "DELETE"] },
    { addresses: ["10.0.0.0/7"] },
    { addresses: ["10.0.0.1", "11.0.0.1"] },
    { addresses: ["::/0"] },
  ];
  for (const wish of wider) expect([wish, statusOf(await make(wish))]).toEqual([wish, DENIED]);
});

test("a key changes itself to less, and never lifts its own narrowing", async () => {
  const self = await key({ methods: ["GET", "PATCH"], expires: "2h" });
  expect(statusOf(await patch(self, self.secret, { name: "mine" }))).toBe("200");
  const wider = [{ methods: null }, { methods: ["GET", "PATCH", "POST"] }, { expires: null }, { expires: "3h" }];
  for (const change of wider)
    expect([change, statusOf(await patch(self, self.secret, change))]).toEqual([change, DENIED]);
  expect((await patch(self, self.secret, { addresses: ["127.0.0.1"], expires: "1h" })).status).toBe(200);
  expect(statusOf(await patch(self, self.secret, { addresses: null }))).toBe(DENIED);
  expect((await patch(self, self.secret, { enabled: false })).body).toMatchObject({ state: "disabled" });
  expect(statusOf(await patch(self, self.secret, { enabled: true }))).toBe("401 key_disabled");
});

test("a key rotates itself and lesser ones, none that may more", async () => {
  const [boss, low, twin] = [await key({ roles: ["Admin", "User"] }), await key(), await key()];
  const narrow = await key({ routes: ["all"] });
  expect(statusOf(await rotate(low, twin.secret))).toBe("200");
  expect(statusOf(await rotate(narrow, twin.secret))).toBe("200");
  expect(statusOf(await rotate(boss, twin.secret))).toBe(DENIED);
  expect(statusOf(await rotate(low, boss.secret))).toBe("200");
  const scoped = await key({ scopes: ["read"] });
  expect(statusOf(await rotate(low, scoped.secret))).toBe(DENIED);
  expect(statusOf(await rotate(scoped, scoped.secret))).toBe("200");
  const short = await key({ expires: "1h" });
  expect(statusOf(await rotate(low, short.secret))).toBe(DENIED);
  expect(statusOf(await own(`/api-keys/${low.id}`, short.secret, "DELETE"))).toBe(DENIED);
  // A rotation is not a way to live longer, nor a change of a lesser key one to give it more.
  expect(statusOf(await patch(scoped, twin.secret, { expires: "1h" }))).toBe("200");
  expect(statusOf(await patch(boss, twin.secret, { name: "x" }))).toBe(DENIED);
  expect(statusOf(await patch(narrow, scoped.secret, { routes: null }))).toBe(DENIED);
});

test("a person narrows and switches off any key of the account, and widens those that may no more than they do", async () => {
  const [boss, low] = [await key({ roles: ["Admin"], scopes: [] }), await key({ scopes: [], routes: ["all"] })];
  const person = await token("User");
  expect((await patch(boss, person, { name: "boss", enabled: false, methods: ["GET"] })).body).toMatchObject({
    name: "boss",
    state: "disabled",
    methods: ["GET"],
  });
  expect(statusOf(await patch(boss, person, { enabled: true }))).toBe(DENIED);
  expect(statusOf(await patch(boss, person, { methods: null }))).toBe(DENIED);
  expect(statusOf(await rotate(boss, person))).toBe(DENIED);
  expect(statusOf(await patch(low, person, { routes: null, enabled: false }))).toBe("200");
  expect(statusOf(await patch(low, person, { enabled: true }))).toBe("200");
  expect(statusOf(await rotate(low, person))).toBe("200");
  const made = await own("/api-keys", person, "POST", {});
  expect(made.body).toMatchObject({ createdBy: "u1", roles: ["User"] });
  expect(statusOf(await patch(boss, await token("Admin"), { enabled: true }))).toBe("200");
});

test("keys of other accounts are not found, whatever is to be done with them", async () => {
  const mine = await key({ roles: ["Admin"] });
  const foreign = { id: stranger.id, secret: stranger.secret };
  const none = "404 not_found";
  expect(statusOf(await own(`/api-keys/${foreign.id}`, mine.secret))).toBe(none);
  expect(statusOf(await patch(foreign, mine.secret, { name: "x" }))).toBe(none);
  expect(statusOf(await rotate(foreign, mine.secret))).toBe(none);
  expect(statusOf(await patch({ id: "key_none", secret: "" }, mine.secret, { name: "x" }))).toBe(none);
  const found = await own(`/api-keys?search=${foreign.id}`, mine.secret);
  expect(found.body.data).toEqual([]);
  expect((await operator.call("GET", `/admin/keys/${foreign.id}`)).body).toMatchObject({ name: null, oldSecrets: [] });
});

test("a revoked key is neither changed nor rotated by its account", async () => {
  const [boss, gone] = [await key(), await key()];
  await own(`/api-keys/${gone.id}`, boss.secret, "DELETE");
  expect(statusOf(await patch(gone, boss.secret, { name: "x" }))).toBe("409 conflict");
  expect(statusOf(await rotate(gone, boss.secret))).toBe("409 conflict");
});

test("limits of a key are not widened by what it changes", async () => {
  const limits = { rates: [{ limit: 100, per: "1m", burst: 100 }], quotas: [] };
  const self = await key({ limits });
  expect(statusOf(await patch(self, self.secret, { limits: null }))).toBe(DENIED);
  const tighter = { rates: [{ limit: 50, per: "1m" }] };
  expect(statusOf(await patch(self, self.secret, { limits: tighter }))).toBe("200");
  expect(statusOf(await patch(self, self.secret, { limits }))).toBe(DENIED);
});
