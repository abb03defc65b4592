/**
 * Requests that see the same account and user for the first time, all at once and on every worker, with tokens that nobody has seen
 * either, while an operator makes the same by the API: there is one of each, and everybody is served for it.
 */
import { join } from "node:path";
import SQLite from "better-sqlite3";
import { afterAll, expect, test } from "vitest";
import { type Connection, connectionToEach } from "#test/support/connection.ts";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken } from "#test/support/jwt.ts";
import type { RawResponse } from "#test/support/raw-response.ts";
import { ADMIN_TOKEN, startScene } from "#test/support/scene.ts";

const WORKERS = 4;
/** Connections to each worker. */
const EACH = 2;
const ROUNDS = 200;

const key = makeKey("ES256");
const jwks = await startJwks(key);
const claims = { account: "org", email: "email" };
const scene = await startScene({
  config: {
    server: { workers: WORKERS, adminToken: ADMIN_TOKEN },
    identity: {
      issuers: [{ name: "own", issuer: "own", jwks: jwks.url, audiences: ["api"], claims, roleSource: "members" }],
      members: { firstRoles: ["Owner"], roles: ["Viewer"] },
    },
    roles: { Owner: ["*"], Viewer: [] },
    routes: [{ name: "all", match: { path: "/**" }, upstream: "app" }],
  },
});
const { gateway, operator } = scene;
const connections: Connection[] = [];
for (let count = 0; count < EACH; count++) connections.push(...(await connectionToEach(gateway, WORKERS)));
const store = new SQLite(join(gateway.dir, "data", "tollgate.db"), { readonly: true });

afterAll(async () => {
  store.close();
  for (const connection of connections) connection[Symbol.dispose]();
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

/** What somebody was served for. */
interface Served {
  readonly status: number;
  readonly account: unknown;
  readonly user: unknown;
  readonly roles: unknown;
}

/** A request on every connection, each with a token of its own, and `meanwhile` in the middle of them. */
async function allAtOnce<T>(org: string, user: (connection: number) => string, meanwhile: () => Promise<T>) {
  const asks = connections.map((connection, number) => {
    const sub = user(number);
    const who = { iss: "own", aud: "api", org, sub, email: `${sub}@x.test`, jti: `${org}-${number}` };
    const line = `Authorization: Bearer ${signToken(key, { claims: who })}`;
    return async () => servedFor(await connection.ask("GET", "/_tollgate/auth/me", [line]));
  });
  const half = asks.length >> 1;
  const first = asks.slice(0, half).map((ask) => ask());
  const other = meanwhile();
  const answers = await Promise.all([...first, ...asks.slice(half).map((ask) => ask())]);
  return { made: await other, answers };
}

function servedFor(answer: RawResponse): Served {
  // As docs/endpoints.md has it; a refusal has none of these.
  const { account, user, roles } = answer.json() as { account?: { id: string }; user?: string; roles?: string[] };
  return { status: answer.status, account: account?.id, user, roles };
}

const accountsOf = (org: string) => store.prepare("SELECT id FROM accounts WHERE external_id = ?").pluck().all(org);
const usersLike = (name: string) =>
  store.prepare("SELECT external_id FROM users WHERE external_id LIKE ? ORDER BY external_id").pluck().all(name);
const membersOf = (account: unknown) =>
  store.prepare("SELECT roles FROM members WHERE account = ? ORDER BY roles").pluck().all(account);
const createdIn = (action: string, target: unknown) =>
  store.prepare("SELECT count(*) FROM audit_log WHERE action = ? AND target = ?").pluck().get(action, target);

test("first requests on all workers make one account, one user and one member", { timeout: 120_000 }, async () => {
  for (let round = 0; round < ROUNDS; round++) {
    const org = `org-${round}`;
    const { answers } = await allAtOnce(
      org,
      () => `user-${round}`,
      () => Promise.resolve(),
    );
    const accounts = accountsOf(org);
    expect(accounts).toHaveLength(1);
    const wanted = { status: 200, account: accounts[0], user: `user-${round}`, roles: ["Owner"] };
    for (const answer of answers) expect(answer).toEqual(wanted);
    expect(usersLike(`user-${round}`)).toHaveLength(1);
    expect(membersOf(accounts[0])).toEqual(['["Owner"]']);
    expect(createdIn("account.created", accounts[0])).toBe(1);
  }
});

test("many users of a new account: one of them is who made it", { timeout: 60_000 }, async () => {
  for (let round = 0; round < ROUNDS / 4; round++) {
    const org = `crowd-${round}`;
    const { answers } = await allAtOnce(
      org,
      (number) => `crowd-${round}-${number}`,
      () => Promise.resolve(),
    );
    const [account] = accountsOf(org);
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, account });
    const others = Array.from({ length: connections.length - 1 }, () => '["Viewer"]');
    expect(membersOf(account)).toEqual(['["Owner"]', ...others]);
  }
});

test("an operator who makes the account at the same moment makes it or is told of it", {
  timeout: 60_000,
}, async () => {
  const statuses = new Set<number>();
  for (let round = 0; round < ROUNDS / 4; round++) {
    const org = `made-${round}`;
    const create = () => operator.call("POST", "/admin/accounts", { name: "Made", externalId: org });
    const { made, answers } = await allAtOnce(org, () => `maker-${round}`, create);
    const [account, ...others] = accountsOf(org);
    expect(others).toEqual([]);
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, account });
    const { status, body } = made;
    statuses.add(status);
    const outcomes = [
      [201, account],
      [409, "conflict"],
    ];
    expect(outcomes).toContainEqual([status, body.id ?? body.error]);
  }
  process.stdout.write(`operators' answers: ${[...statuses].join()}\n`);
});

test("an operator who makes the user at the same moment makes it or is told of it", { timeout: 60_000 }, async () => {
  for (let round = 0; round < ROUNDS / 4; round++) {
    const user = `known-${round}`;
    const create = () => operator.call("POST", "/admin/users", { externalId: user, email: `${user}@x.test` });
    const { made, answers } = await allAtOnce(`for-${user}`, () => user, create);
    for (const answer of answers) expect(answer).toMatchObject({ status: 200, user });
    expect(usersLike(user)).toEqual([user]);
    expect([201, 409]).toContain(made.status);
  }
});

test("the audit log's chain holds after all of it", async () => {
  expect((await operator.call("GET", "/admin/audit/verify")).body).toMatchObject({ faults: [] });
});
