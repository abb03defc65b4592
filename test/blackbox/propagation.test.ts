/**
 * A change is in force on all workers within 50 ms, under load: no request that begins after the change was answered is served by the
 * state of before, on whatever worker, without exception; and from the moment the change was sent it takes at most 50 ms until the last
 * answer by the state of before is in. The first is asked of every round; the second of the median, as this machine has other work, too.
 */
import { afterAll, describe, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken, type TestKey } from "#test/support/jwt.ts";
import { ADMIN_TOKEN, askJson, type Scene, startScene } from "#test/support/scene.ts";
import { type Question, type Seen, type SteadyLoad, steadyLoad } from "#test/support/steady-load.ts";

const IN_FORCE_MS = 50;
const ROUNDS = 20;
/** Connections to each worker. */
const EACH = 4;

/** Publishes the key sets of all issuers: one for each round, as a stranger's key leads to a fetch only every 10 s an issuer. */
const publisher = await startJwks(makeKey("ES256"));
afterAll(() => publisher.close());
const [firstKey] = publisher.keys;
const memberKey = makeKey("ES256");
const memberSet = await startJwks(memberKey);
afterAll(() => memberSet.close());

/** One thing that changes: what everybody asks, how it is changed, and the answers of before and after. */
interface Change {
  readonly question: Question;
  readonly before: string;
  readonly after: string;
  /** Of the median; left out, `IN_FORCE_MS`. */
  readonly withinMs?: number;
  change(): Promise<number>;
}

type Round = (scene: Scene, round: number, workers: number) => Promise<Change>;

const CHANGES: Readonly<Record<string, Round>> = {
  "a revoked key": async ({ operator }) => {
    const { id, line } = await operator.key();
    return {
      question: { target: "/free", headers: [line] },
      before: "200",
      after: "401 key_revoked",
      change: async () => (await operator.call("DELETE", `/admin/keys/${id}`)).status,
    };
  },
  "a key that is switched off": async ({ operator }) => {
    const { id, line } = await operator.key();
    return {
      question: { target: "/free", headers: [line] },
      before: "200",
      after: "401 key_disabled",
      change: async () => (await operator.call("PATCH", `/admin/keys/${id}`, { enabled: false })).status,
    };
  },
  "a secret that is replaced at once": async ({ operator }) => {
    const { id, line } = await operator.key();
    return {
      question: { target: "/free", headers: [line] },
      before: "200",
      after: "401 key_expired",
      change: async () => (await operator.call("POST", `/admin/keys/${id}/rotate`, { overlap: "0s" })).status,
    };
  },
  "a key narrowed to another route": async ({ operator }) => {
    const { id, line } = await operator.key();
    return {
      question: { target: "/free", headers: [line] },
      before: "200",
      after: "403 permission_denied",
      change: async () => (await operator.call("PATCH", `/admin/keys/${id}`, { routes: ["reports"] })).status,
    };
  },
  "a suspended account": async ({ operator }) => {
    const { account, line } = await operator.key();
    return {
      question: { target: "/free", headers: [line] },
      before: "200",
      after: "403 account_suspended",
      change: async () => (await operator.call("PATCH", `/admin/accounts/${account}`, { state: "suspended" })).status,
    };
  },
  "a changed plan": async ({ operator }) => {
    const { account, line } = await operator.key();
    return {
      question: { target: "/feature", headers: [line] },
      before: "403 feature_not_in_plan",
      after: "200",
      change: async () => (await operator.call("PATCH", `/admin/accounts/${account}`, { plan: "pro" })).status,
    };
  },
  "a rotated key set": async ({ gateway }, round) => {
    if (firstKey === undefined) throw new Error("The publisher has no key");
    const token = (key: TestKey) => signToken(key, { claims: { iss: issuerOf(round), aud: "api", sub: "u1" } });
    return {
      question: { target: "/free", headers: [`Authorization: Bearer ${token(firstKey)}`] },
      before: "200",
      after: "401 credentials_invalid",
      // The set that is fetched for the new key is in force when that one is let in.
      change: async () => (await askJson(`${gateway.url}/free`, { bearer: token(publisher.rotate()) })).status,
    };
  },
  "a suspended user": async ({ operator }, round, workers) => {
    const user = `suspended-${workers}-${round}`;
    return {
      question: { target: "/free", headers: [memberToken(user)] },
      before: "200",
      after: "403 account_suspended",
      change: async () => (await operator.call("PATCH", `/admin/users/${user}`, { state: "suspended" })).status,
    };
  },
  "all sessions of a user, revoked": async ({ operator }, round, workers) => {
    const user = `signed-out-${workers}-${round}`;
    return {
      question: { target: "/free", headers: [memberToken(user)] },
      before: "200",
      after: "401 session_revoked",
      change: async () => (await operator.call("DELETE", `/admin/users/${user}/sessions`)).status,
    };
  },
  "another role of a member": async ({ operator }, round, workers) => {
    const user = `promoted-${workers}-${round}`;
    return {
      question: { target: "/members-only", headers: [memberToken(user)] },
      before: "403 permission_denied",
      after: "200",
      change: async () =>
        (await operator.call("PATCH", `/admin/accounts/team/members/${user}`, { roles: ["Admin"] })).status,
    };
  },
  "a member who is removed": async ({ operator }, round, workers) => {
    const user = `removed-${workers}-${round}`;
    return {
      question: { target: "/free", headers: [memberToken(user)] },
      before: "200",
      after: "403 tenant_mismatch",
      change: async () => (await operator.call("DELETE", `/admin/accounts/team/members/${user}`)).status,
    };
  },
  "a role with other permissions": async ({ gateway, operator, upstream }, round, workers) => {
    const isBefore = round % 2 === 0;
    const [before, after] = isBefore ? ["403 permission_denied", "200"] : ["200", "403 permission_denied"];
    const { line } = await operator.key({ roles: ["Reader"] });
    return {
      question: { target: "/reports", headers: [line] },
      before,
      after,
      // Read, checked and compiled as a whole.
      withinMs: 500,
      change: async () => {
        const { event } = await gateway.reload({ ...config(workers, isBefore), upstreams: upstreams(upstream.url) });
        return event === "reloaded" ? 200 : 400;
      },
    };
  },
};

for (const workers of [2, 4])
  describe(`${workers} workers`, async () => {
    const scene = await startScene({ config: config(workers, false) });
    const load = await steadyLoad(scene.gateway, workers, EACH);
    afterAll(async () => {
      load[Symbol.dispose]();
      await scene[Symbol.asyncDispose]();
    });
    for (const [name, prepare] of Object.entries(CHANGES))
      test(`${name}: in force on all workers at once`, { timeout: 60_000 }, async () => {
        const latenciesMs: number[] = [];
        let limitMs = IN_FORCE_MS;
        for (let round = 0; round < ROUNDS; round++) {
          const change = await prepare(scene, round, workers);
          limitMs = change.withinMs ?? IN_FORCE_MS;
          latenciesMs.push(await once(load, change));
        }
        latenciesMs.sort((one, other) => one - other);
        const [medianMs = Infinity, maxMs = Infinity] = [latenciesMs[ROUNDS >> 1], latenciesMs.at(-1)];
        process.stdout.write(
          `in force on ${workers} workers: ${name}: ${medianMs.toFixed(1)} ms, at most ${maxMs.toFixed(1)} ms\n`,
        );
        expect(medianMs).toBeLessThanOrEqual(limitMs);
      });
  });

/** Milliseconds from the change's first byte to the last answer by the state of before. */
async function once(load: SteadyLoad, { question, before, after, change }: Change): Promise<number> {
  await load.ask(question);
  const sentMs = performance.now();
  expect(await change()).toBe(200);
  const answeredMs = performance.now();
  await load.more(2);
  const seen = await load.take();
  const late = seen.filter(({ beganMs }) => beganMs > answeredMs);
  expect([...new Set(late.map(stateOf))], "begun after the answer").toEqual([after]);
  expect([...new Set(seen.filter(({ endedMs }) => endedMs < sentMs).map(stateOf))], "ended before").toEqual([before]);
  const last = seen.findLast((one) => stateOf(one) !== after);
  return Math.max(0, (last?.endedMs ?? 0) - sentMs);
}

/** Status, and the error's code if there is one. */
function stateOf({ answer }: Seen): string {
  if (answer.status === 200) return "200";
  const body: unknown = answer.json();
  return `${answer.status} ${typeof body === "object" && body !== null && "error" in body ? String(body.error) : ""}`;
}

/** Of an issuer whose users have the roles of members. */
function memberToken(sub: string): string {
  return `Authorization: Bearer ${signToken(memberKey, { claims: { iss: "members", aud: "api", sub, org: "team" } })}`;
}

function issuerOf(round: number): string {
  return `https://issuer-${round}.test`;
}

/** `mayRead`: whether a Reader may read reports. */
function config(workers: number, mayRead: boolean) {
  const issuers = Array.from({ length: ROUNDS }, (_, round) => ({
    name: `issuer-${round}`,
    issuer: issuerOf(round),
    jwks: `${publisher.url}?${round}`,
    audiences: ["api"],
  }));
  const members = {
    name: "members",
    issuer: "members",
    jwks: memberSet.url,
    audiences: ["api"],
    claims: { account: "org" },
    roleSource: "members",
  };
  return {
    server: { workers, adminToken: ADMIN_TOKEN },
    identity: { issuers: [...issuers, members], members: { firstRoles: ["Reader"], roles: ["Reader"] } },
    roles: { Admin: ["*"], Reader: mayRead ? ["reports:read"] : [] },
    plans: { free: { default: true }, pro: { features: ["custom"] } },
    routes: [
      { name: "free", match: { path: "/free" }, upstream: "app" },
      { name: "feature", match: { path: "/feature" }, upstream: "app", require: { features: ["custom"] } },
      {
        name: "members",
        match: { path: "/members-only" },
        upstream: "app",
        require: { permissions: ["members:read"] },
      },
      { name: "reports", match: { path: "/reports" }, upstream: "app", require: { permissions: ["reports:read"] } },
    ],
  };
}

function upstreams(url: string) {
  return { app: { targets: [url] } };
}
