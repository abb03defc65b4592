/** `tollgate explain` says what the gateway then does: for limits of one key or member, sessions that are over, members who are out, keys that were imported. */
import { createHash } from "node:crypto";
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { sceneConfig, startScene, text } from "#test/support/scene.ts";

const jwks = await startJwks();
const main = {
  name: "main",
  issuer: jwks.issuer,
  jwks: jwks.url,
  audiences: ["api"],
  claims: { account: "org" },
  roleSource: "members",
};
const scene = await startScene({
  config: {
    identity: {
      issuers: [main],
      accountHeader: "x-account",
      members: { firstRoles: ["Owner"], roles: ["Guest"], quotaWindows: ["day"] },
      keys: { quotaWindows: ["day"], foreign: [{ prefix: "old_", length: 20 }] },
    },
    roles: { Owner: ["*"], Guest: [], Admin: ["*"] },
    meters: { calls: {} },
    plans: { free: { default: true, quotas: { calls: [{ limit: 100, per: "month" }, { limit: 50, per: "month", by: "key" }] } } },
    routes: [
      { name: "calls", match: { path: "/calls" }, upstream: "app", require: { permissions: ["calls:read"] }, meters: { calls: 1 } },
      { name: "open", match: { path: "/open" }, upstream: "app" },
    ],
  },
}); // biome-ignore format: a file's lines
const { gateway, operator, upstream } = scene;

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const tokenOf = (sub: string, more: object = {}) => jwks.token({ claims: { aud: "api", sub, org: "acme", ...more } });

/** What explain says, beside what the gateway answers to the same. */
async function both(
  path: string,
  credential: readonly [kind: "--key" | "--token", text: string],
  headers: readonly (readonly [name: string, value: string])[] = [],
) {
  const said = headers.flatMap(([name, value]) => ["--header", `${name}: ${value}`]);
  const { code, stdout, stderr } = await gateway.cli("explain", "GET", path, ...credential, ...said, "--json");
  expect([code, stderr]).toEqual([0, ""]);
  const story: {
    readonly answer: { status: number | null; code: string | null };
    readonly limits: string[];
    readonly steps: readonly { phase: string; outcome: string }[];
  } = JSON.parse(stdout);
  const lines = [`Authorization: Bearer ${credential[1]}`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  const { responses } = await rawExchange(gateway.port, requestHead("GET", path, lines), { responses: 1 });
  const [answer] = responses;
  const explained = story.answer.status === null ? "forwarded" : `${story.answer.status} ${story.answer.code}`;
  const done =
    answer?.status === 200
      ? "forwarded"
      : `${answer?.status} ${text(JSON.parse(answer?.body.toString() ?? ""), "error")}`;
  expect(explained).toBe(done);
  return { said: explained, limits: story.limits, steps: story.steps };
}

test("limits of the key itself, beside those of its plan", async () => {
  const limits = { rates: [{ limit: 9, per: "1h" }], quotas: [{ meter: "calls", limit: 2, per: "day" }] };
  const { secret } = await operator.key({ roles: ["Admin"], limits });
  const story = await both("/calls", ["--key", secret]);
  expect(story.limits).toEqual([
    "rate key: 9 per 3600 s, burst 9, of the key alone",
    "meter calls: costs 1, used 0 of 100 per month",
    "meter calls: costs 1, used 0 of 50 per month, by key",
    "meter calls: costs 1, used 0 of 2 per day, by key",
  ]);
  expect((await both("/calls", ["--key", secret])).limits).toContain(
    "meter calls: costs 1, used 1 of 2 per day, by key",
  );
  expect((await both("/calls", ["--key", secret])).said).toBe("429 quota_exceeded");
});

test("a member: as first seen, with limits of their own, and removed", async () => {
  const owner = tokenOf("owner");
  // The gateway has seen nobody yet: the first makes the account, the next does not.
  expect((await both("/calls", ["--token", owner])).said).toBe("forwarded");
  const ann = tokenOf("ann");
  expect((await both("/calls", ["--token", ann])).said).toBe("403 permission_denied");
  const member = "/admin/accounts/acme/members/ann";
  const limits = { quotas: [{ meter: "calls", limit: 1, per: "day" }] };
  await operator.call("PATCH", member, { roles: ["Owner"], limits });
  expect((await both("/calls", ["--token", ann])).said).toBe("forwarded");
  expect((await both("/calls", ["--token", ann])).said).toBe("429 quota_exceeded");
  expect((await operator.call("GET", "/admin/accounts/acme/usage?user=ann")).body.meters).toContainEqual(
    expect.objectContaining({ meter: "calls", by: "user", used: 1, limit: 1, remaining: 0 }),
  );
  await operator.call("DELETE", member);
  expect((await both("/open", ["--token", ann])).said).toBe("403 tenant_mismatch");
  const shown = (await operator.call("GET", "/admin/users/ann")).body;
  expect(shown).toMatchObject({ members: [], removedFrom: [expect.stringMatching(/^acct_/)] });
});

/** A user of the account `home`. */
const ofHome = (sub: string, more: object = {}) => ["--token", tokenOf(sub, { org: "home", ...more })] as const;
const acting = (account: string) => [["X-Account", account]] as const;

test("the account header: the caller's own account, and another that they become a member of", async () => {
  const guest = "/admin/accounts/acme/members/guest";
  const ask = (account: string) => both("/calls", ofHome("guest"), acting(account));
  expect((await ask("home")).said).toBe("forwarded");
  expect((await ask("acme")).said).toBe("403 tenant_mismatch");
  await operator.call("POST", "/admin/accounts/acme/members", { user: "guest", roles: ["Guest"] });
  expect((await ask("acme")).said).toBe("403 permission_denied");
  await operator.call("PATCH", guest, { roles: ["Owner"] });
  const { said, steps } = await ask(String((await operator.call("GET", "/admin/accounts/acme")).body.id));
  expect(said).toBe("forwarded");
  expect(steps.find(({ phase }) => phase === "identify")?.outcome).toMatch(/^token of guest, account acme, /);
}, 60_000);

test("the account header: of who acts as another, of keys, and sent twice", async () => {
  await operator.call("POST", "/admin/accounts/acme/members", { user: "seen", roles: ["Owner"] });
  // Who acts as the user does so in the account that the token names.
  const support = ofHome("seen", { act: { sub: "support" } });
  expect((await both("/open", support, acting("acme"))).said).toBe("403 tenant_mismatch");
  expect((await both("/open", support, acting("home"))).said).toBe("forwarded");
  const key = await operator.key();
  expect((await both("/open", ["--key", key.secret], acting(key.account))).said).toBe("forwarded");
  expect((await both("/open", ["--key", key.secret], acting("acme"))).said).toBe("403 tenant_mismatch");
  const twice = await both("/open", ["--key", key.secret], [...acting(key.account), ...acting(key.account)]);
  expect(twice.said).toBe("400 malformed_request");
}, 60_000);

test("a header that is not written as one", async () => {
  const { code, stderr } = await gateway.cli("explain", "GET", "/open", "--header", "x-account acme");
  expect([code, stderr]).toEqual([1, expect.stringContaining('Header "x-account acme" is not written "name: value"')]);
});

test("a session that was denied", async () => {
  const token = tokenOf("bob", { sid: "s1" });
  expect((await both("/open", ["--token", token])).said).toBe("forwarded");
  const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
  await operator.call("POST", "/admin/users/bob/sessions/deny", { session: "s1", expiresAt });
  expect((await both("/open", ["--token", token])).said).toBe("401 session_revoked");
  expect((await operator.call("GET", "/admin/users/bob")).body).toMatchObject({ deniedSessions: ["s1"], sessions: [] });
});

test("a key that was imported and that nobody has used yet", async () => {
  const secret = "old_0123456789abcdefghij";
  const digest = createHash("sha256").update(secret).digest("hex");
  const account = await operator.account();
  const made = await operator.call("POST", "/admin/keys/import", { account, roles: ["Admin"], hash: { kind: "sha256", digest } });
  expect(made.status).toBe(201);
  expect((await both("/calls", ["--key", secret])).said).toBe("forwarded");
}); // biome-ignore format: a body

test("whose usage is asked for has to be there", async () => {
  const { id } = await operator.key();
  const account = await operator.account();
  for (const query of [`key=${id}`, "key=key_none", "user=nobody"])
    expect((await operator.call("GET", `/admin/accounts/${account}/usage?${query}`)).status).toBe(404);
});

test("a key where keys come in a header of their own", async () => {
  const key = await operator.key({ roles: ["Admin"] });
  await gateway.reload({ ...sceneConfig(upstream.url), identity: { keys: { headers: ["x-key", "x-api-key"] } } });
  const { stdout } = await gateway.cli("explain", "GET", "/", "--key", key.secret, "--json");
  expect(JSON.parse(stdout)).toMatchObject({ route: "all", answer: { status: null } });
});
