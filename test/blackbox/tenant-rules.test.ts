/** Rules that compare a request with its caller, in path, query and headers, on both lanes: nobody gets at what another one has. */
import { afterAll, beforeEach, describe, expect, test } from "vitest";
import { openConnection } from "#test/support/connection.ts";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { LANES } from "#test/support/lanes.ts";
import { ADMIN_TOKEN, askJson, startScene } from "#test/support/scene.ts";

const jwks = await startJwks(makeKey("ES256"));
afterAll(() => jwks.close());

const route = (name: string, path: string, require: Readonly<Record<string, unknown>>) => ({
  name,
  match: { path },
  upstream: "app",
  require,
});

const config = {
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
  roles: { Admin: ["*"], Operator: ["calls:*:own"] },
  routes: [
    route("by-query", "/usage", { account: "query.consumer" }),
    route("by-header", "/reports", { account: "header.x-org" }),
    route("owner-query", "/profile", { owner: "query.user_id" }),
    route("both", "/orgs/{org}/files", { account: "path.org", owner: "header.x-owner" }),
    route("own-query", "/calls", { permissions: ["calls:read"], own: "query.ownerId" }),
    route("own-header", "/notes", { permissions: ["calls:read"], own: "header" }),
  ],
};

describe.each(LANES)("on the lane %s", async (lane) => {
  const scene = await startScene({ config: { ...config, server: { workers: 1, adminToken: ADMIN_TOKEN, lane } } });
  const { gateway, upstream } = scene;
  const connection = await openConnection(gateway.port);
  afterAll(async () => {
    connection[Symbol.dispose]();
    await scene[Symbol.asyncDispose]();
  });
  beforeEach(() => upstream.clear());

  const tokenOf = (sub: string, org: string, role = "Admin") => jwks.token({ claims: { aud: "api", sub, org, role } });
  const line = (token: string) => `Authorization: Bearer ${token}`;
  const acme = line(tokenOf("u1", "acme"));
  const globex = line(tokenOf("u2", "globex"));
  const operator = line(tokenOf("u1", "acme", "Operator"));

  /** Status, rule and what the app got of it. */
  async function ask(target: string, ...lines: readonly string[]) {
    upstream.clear();
    const answer = await connection.ask("GET", target, lines);
    const body = JSON.parse(answer.body.toString("utf8"));
    const { status } = answer;
    if (status === 200) return { status, url: upstream.last().url, headers: upstream.last().headers };
    expect(upstream.count).toBe(0);
    return { status, rule: body.rule, error: body.error };
  }

  test.each([
    ["/usage?consumer=acme", 200],
    ["/usage?consumer=acme&page=2", 200],
    ["/usage?consumer=%61cme", 200],
    ["/usage?consumer=globex", 403],
    ["/usage?consumer=ACME", 403],
    ["/usage?consumer=", 403],
    ["/usage?consumer", 403],
    ["/usage", 403],
    ["/usage?", 403],
    ["/usage?page=2", 403],
    ["/usage?consumer=acme&consumer=globex", 400],
    ["/usage?consumer=globex&consumer=acme", 400],
    ["/usage?consumer=acme&consumer=acme", 400],
    ["/usage?consumer=acme&Consumer=globex", 400],
    ["/usage?consumer=acme&c%6Fnsumer=globex", 400],
    ["/usage?consumer[]=acme", 400],
    ["/usage?consumer=acme&consumer%5B%5D=globex", 400],
    ["/usage?consumer=acme;consumer=globex", 400],
    ["/usage?consumer=ac%ffme", 400],
  ])("%s: %i", async (target, status) => {
    const seen = await ask(target, acme);
    expect(seen).toMatchObject(
      status === 200
        ? { status, url: target }
        : status === 403
          ? { status, rule: "route:by-query", error: "tenant_mismatch" }
          : { status, rule: "query:consumer", error: "malformed_request" },
    );
  });

  test.each([
    [["X-Org: acme"], 200],
    [["x-org:  acme "], 200],
    [["X-Org: globex"], 403],
    [["X-Org: acme, globex"], 403],
    [["X-Org:"], 403],
    [[], 403],
    [["X-Org: acme", "X-Org: globex"], 400],
    [["X-Org: acme", "x.org: globex"], 400],
    [["x.org: acme"], 400],
    [["X-Org: acme", "Connection: X-Org"], 400],
    [["X-Org: acme", "X_Org: globex"], 400],
  ] as const)("the headers %j: %i", async (lines, status) => {
    const kept = await openConnection(gateway.port);
    expect((await kept.ask("GET", "/reports", [acme, ...lines])).status).toBe(status);
    kept[Symbol.dispose]();
    expect(upstream.count).toBe(status === 200 ? 1 : 0);
  });

  test("what was allowed once allows nothing else on the same connection: every head and target is looked at", async () => {
    const asked = async (target: string, ...lines: readonly string[]) => (await ask(target, ...lines)).status;
    for (let round = 0; round < 3; round++) {
      expect(await asked("/usage?consumer=acme", acme)).toBe(200);
      expect(await asked("/usage?consumer=globex", acme)).toBe(403);
      expect(await asked("/usage?consumer=globex", globex)).toBe(200);
      expect(await asked("/reports", acme, "X-Org: acme")).toBe(200);
      expect(await asked("/reports", acme, "X-Org: globex")).toBe(403);
      expect(await asked("/reports", acme)).toBe(403);
      expect(await asked("/profile?user_id=u1", acme)).toBe(200);
      expect(await asked("/profile?user_id=u2", acme)).toBe(403);
      expect(await asked("/orgs/acme/files", acme, "X-Owner: u1")).toBe(200);
      expect(await asked("/orgs/acme/files", acme, "X-Owner: u2")).toBe(403);
      expect(await asked("/orgs/globex/files", acme, "X-Owner: u1")).toBe(403);
    }
  });

  test.each([
    ["/calls", "/calls?ownerId=u1"],
    ["/calls?", "/calls?ownerId=u1"],
    ["/calls?page=2", "/calls?page=2&ownerId=u1"],
    ["/calls?ownerId=u1", "/calls?ownerId=u1"],
    ["/calls?ownerId=%751&page=2", "/calls?ownerId=%751&page=2"],
  ])("who may see only their own calls asks %s, and the app gets %s", async (target, url) => {
    expect(await ask(target, operator)).toMatchObject({ status: 200, url });
    expect(await ask(target, acme)).toMatchObject({ status: 200, url: target });
  });

  test.each([
    ["/calls?ownerId=u2", 403, "route:own-query"],
    ["/calls?ownerId=", 403, "route:own-query"],
    ["/calls?ownerId=u1&ownerId=u2", 400, "query:ownerId"],
    ["/calls?OwnerId=u2", 400, "query:ownerId"],
    ["/calls?owner_id=u2", 400, "query:ownerId"],
    ["/calls?%6FwnerId=u2", 400, "query:ownerId"],
    ["/calls?ownerId[]=u2", 400, "query:ownerId"],
    ["/calls?x;ownerId=u2", 400, "query:ownerId"],
  ])("and gets no other's by %s: %i", async (target, status, rule) => {
    expect(await ask(target, operator)).toMatchObject({ status, rule });
    expect(await ask(target, acme)).toMatchObject({ status: 200, url: target });
  });

  test("odd users are put into the query as what they are", async () => {
    for (const sub of ["a&ownerId=u2", "a b+c", "Zoë#?", "100%"]) {
      const { url } = await ask("/calls", line(tokenOf(sub, "acme", "Operator")));
      expect(new URL(url ?? "", "http://app").searchParams.getAll("ownerId")).toEqual([sub]);
    }
  });

  test("the app is told whose things are asked for, whatever the client says", async () => {
    const forged = "X-Tollgate-Data-Scope: all";
    expect((await ask("/notes", operator, forged)).headers).toMatchObject({
      "x-tollgate-data-scope": "own",
      "x-tollgate-user": "u1",
    });
    expect((await ask("/notes", acme, forged)).headers).toMatchObject({ "x-tollgate-data-scope": "all" });
    expect((await ask("/usage?consumer=acme", acme, forged)).headers).not.toHaveProperty("x-tollgate-data-scope");
    // Equal heads of two callers, in turn.
    for (const [who, scope] of [
      [operator, "own"],
      [acme, "all"],
      [operator, "own"],
    ] as const)
      expect((await ask("/notes", who)).headers).toMatchObject({ "x-tollgate-data-scope": scope });
  });

  test("explain says the same", async () => {
    const token = tokenOf("u1", "acme", "Operator");
    const explain = async (target: string) => {
      const { stdout } = await gateway.cli("explain", "GET", target, "--token", token, "--json");
      return JSON.parse(stdout);
    };
    expect(await explain("/usage?consumer=globex")).toMatchObject({ answer: { status: 403, code: "tenant_mismatch" } });
    expect(await explain("/calls?ownerId=u1&ownerId=u2")).toMatchObject({ answer: { status: 400 } });
    expect(JSON.stringify(await explain("/calls"))).toContain("for what is their own: /calls?ownerId=u1");
  });

  test("the account's own id is not what the app knows it by", async () => {
    const me = await askJson(`${gateway.url}/_tollgate/auth/me`, { bearer: tokenOf("u1", "acme") });
    const ours = JSON.stringify(me.body).match(/acct_\w+/)?.[0];
    expect(ours).toBeDefined();
    expect(await ask(`/usage?consumer=${ours}`, acme)).toMatchObject({ status: 403 });
  });
});
