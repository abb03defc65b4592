/**
 * Event streams end with the key, user, session or account they are of, on both lanes and on all workers: their clients are cut off and
 * never told a clean end, the app's work is cancelled, and what passed is charged once. Streams of others and ordinary answers go on.
 */
import { once } from "node:events";
import type { ServerResponse } from "node:http";
import { connect } from "node:net";
import { setTimeout as pause } from "node:timers/promises";
import { afterAll, describe, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { LANES } from "#test/support/lanes.ts";
import { seededRandom } from "#test/support/random.ts";
import { requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, type Operator, type Scene, startScene } from "#test/support/scene.ts";
import { startServer } from "#test/support/server.ts";
import { until } from "#test/support/until.ts";

const EVENT_MS = 25;
/** Streams of each caller: enough that hardly ever all are on one of the two workers. */
const EACH = 6;

/** What the app knows of each stream by its path: the number of the last event it sent, and whether its client has gone. */
const sent = new Map<string, { n: number; gone: boolean }>();

const app = await startServer(({ url = "" }, response) => {
  if (url.startsWith("/stream/")) stream(url, response);
  else void answerSlowly(response);
});
const jwks = await startJwks();
afterAll(() => Promise.all([app[Symbol.asyncDispose](), jwks.close()]));

function stream(url: string, response: ServerResponse): void {
  const state = { n: 0, gone: false };
  sent.set(url, state);
  response.writeHead(200, { "content-type": "Text/Event-Stream; charset=utf-8" });
  response.flushHeaders();
  const timer = setInterval(() => response.write(`data: {"n":${++state.n}}\n\n`), EVENT_MS);
  response.once("close", () => {
    clearInterval(timer);
    state.gone = true;
  });
}

async function answerSlowly(response: ServerResponse): Promise<void> {
  response.writeHead(200, { "content-type": "application/json" });
  for (let n = 0; n < 20; n++) {
    response.write(`[${n}]\n`);
    await pause(50);
  }
  response.end("[20]\n");
}

async function start(lane: "auto" | "full"): Promise<Scene> {
  const main = {
    name: "main",
    issuer: jwks.issuer,
    jwks: jwks.url,
    audiences: ["api"],
    claims: { account: "org" },
    roleSource: "members",
    clockSkew: "0s",
  };
  return await startScene({
    config: {
      server: { workers: 2, lane, adminToken: ADMIN_TOKEN },
      identity: { issuers: [main] },
      meters: { events: { from: "sse.last:n" }, calls: {} },
      plans: { free: { default: true } },
      upstreams: { app: { targets: [app.url] } },
      routes: [
        { name: "streams", match: { path: "/stream/**" }, upstream: "app", meters: { events: "measured", calls: 1 } },
        { name: "all", match: { path: "/**" }, upstream: "app" },
      ],
    },
  });
}

const line = (text: string) => `Authorization: Bearer ${text}`;
const tokenLine = (sub: string, org: string, more: object = {}) =>
  line(jwks.token({ claims: { aud: "api", sub, org, iat: Math.floor(Date.now() / 1000) - 10, ...more } }));

let ids = 0;

/** A request on a connection of its own, as far as its answer has come. */
async function open({ gateway }: Scene, path: string, header: string) {
  const socket = connect({ port: gateway.port, host: "127.0.0.1", noDelay: true });
  const came = { text: "", closed: false, path };
  socket.on("error", () => undefined);
  socket.on("data", (part) => (came.text += part.toString("latin1")));
  socket.on("close", () => (came.closed = true));
  await once(socket, "connect");
  socket.write(requestHead("GET", path, [header]));
  return { came, leave: () => socket.destroy() };
}

type Opened = Awaited<ReturnType<typeof open>>;

/** Number of the last event that came. */
const lastOf = ({ came }: Opened) => Number([...came.text.matchAll(/"n":(\d+)\}/g)].at(-1)?.[1] ?? 0);
const isCut = ({ came }: Opened) => came.closed && sent.get(came.path)?.gone === true;

/** So many streams whose first events have come. */
async function streams(scene: Scene, header: string, count = EACH): Promise<Opened[]> {
  const all = Array.from({ length: count }, () => open(scene, `/stream/${++ids}`, header));
  const opened = await Promise.all(all);
  await until("events on all streams", () => opened.every((one) => lastOf(one) > 0));
  return opened;
}

async function goOn(opened: readonly Opened[]): Promise<void> {
  const before = opened.map(lastOf);
  await until("more events on all streams", () => opened.every((one, at) => lastOf(one) > (before[at] ?? 0) + 2));
}

async function areCut(opened: readonly Opened[]): Promise<void> {
  await until("the end of the streams", () => opened.every(isCut), 2000);
  // The last chunk, which would be a clean end.
  for (const { came } of opened) expect(came.text).not.toMatch(/\r\n0\r\n(\r\n)?$/);
}

/** One caller, and another who is as close to them as can be and is not meant. */
interface Pair {
  readonly mine: string;
  readonly other: string;
  end(): Promise<number>;
}

type Case = (operator: Operator) => Promise<Pair>;

async function keys(operator: Operator, end: (id: string) => Promise<{ status: number }>): Promise<Pair> {
  const key = await operator.key();
  const other = await operator.key({ account: key.account });
  return { mine: key.line, other: other.line, end: async () => (await end(key.id)).status };
}

async function accounts(operator: Operator, end: (id: string) => Promise<{ status: number }>): Promise<Pair> {
  const [key, other] = [await operator.key(), await operator.key()];
  return { mine: key.line, other: other.line, end: async () => (await end(key.account)).status };
}

/** Two users of one account. */
function users(name: string, end: () => Promise<{ status: number }>): Pair {
  const org = `org-${name}`;
  return { mine: tokenLine(name, org), other: tokenLine(`not-${name}`, org), end: async () => (await end()).status };
}

const CASES: Readonly<Record<string, Case>> = {
  "a key, revoked": (op) => keys(op, (id) => op.call("DELETE", `/admin/keys/${id}`)),
  "a key, switched off": (op) => keys(op, (id) => op.call("PATCH", `/admin/keys/${id}`, { enabled: false })),
  "a secret, replaced": (op) => keys(op, (id) => op.call("POST", `/admin/keys/${id}/rotate`, { overlap: "0s" })),
  "an account, suspended": (op) => accounts(op, (id) => op.call("POST", `/admin/accounts/${id}/suspend`)),
  "an account, deleted": (op) => accounts(op, (id) => op.call("DELETE", `/admin/accounts/${id}`)),
  "an account that tokens name, deleted": async (op) => ({
    mine: tokenLine("lou", "org-lou"),
    other: tokenLine("lou", "org-other"),
    end: async () => (await op.call("DELETE", "/admin/accounts/org-lou")).status,
  }),
  "a user, suspended": async (op) => users("ann", () => op.call("PATCH", "/admin/users/ann", { state: "suspended" })),
  "a user, deleted": async (op) => users("amy", () => op.call("DELETE", "/admin/users/amy")),
  "a user, signed out": async (op) => users("abe", () => op.call("DELETE", "/admin/users/abe/sessions")),
  "a member, removed": async (op) => users("ada", () => op.call("DELETE", "/admin/accounts/org-ada/members/ada")),
  "a session, denied": async (op) => ({
    mine: tokenLine("sue", "org-sue", { sid: "s1" }),
    other: tokenLine("sue", "org-sue", { sid: "s2" }),
    end: async () => {
      const expiresAt = new Date(Date.now() + 3_600_000).toISOString();
      return (await op.call("POST", "/admin/users/sue/sessions/deny", { session: "s1", expiresAt })).status;
    },
  }),
};

describe.each(LANES)("lane %s", (lane) => {
  test("a storm of revocations ends the streams of all who are meant, and of nobody else", async () => {
    await using scene = await start(lane);
    const { operator } = scene;
    const random = seededRandom(`revoked streams ${lane}`);
    const pairs = [];
    for (const make of Object.values(CASES)) pairs.push(await make(operator));
    const all = [];
    for (const pair of pairs) {
      const [mine, others] = [await streams(scene, pair.mine), await streams(scene, pair.other)];
      const ordinary = await open(scene, "/ordinary", pair.mine);
      await until("the answer's beginning", () => ordinary.came.text.includes("[0]"));
      all.push({ pair, mine, others, ordinary });
    }
    const ended = await Promise.all(
      all.map(async ({ pair, mine, ordinary }) => {
        await pause(random.between(0, 200));
        const again = await open(scene, "/ordinary", pair.mine);
        await until("the answer's beginning", () => again.came.text.includes("[0]"));
        expect([200, 201, 204]).toContain(await pair.end());
        await areCut(mine);
        await until("the whole answer", () =>
          [again, ordinary].every(({ came }) => came.text.includes("[20]\n\r\n0\r\n")),
        );
        again.leave();
        ordinary.leave();
        return mine;
      }),
    );
    const others = all.flatMap((one) => one.others);
    await goOn(others);
    expect(others.filter(({ came }) => came.closed)).toEqual([]);
    // What had passed is charged, and that once; not what the app would still have sent.
    const suspended = (await operator.call("GET", "/admin/accounts?state=suspended")).body.data as { id: string }[];
    const [account] = suspended;
    const mine = ended[Object.keys(CASES).indexOf("an account, suspended")] ?? [];
    await until("the charge in the ledger", async () => (await operator.used(account?.id ?? "", "calls")) === EACH);
    const got = mine.reduce((sum, one) => sum + lastOf(one), 0);
    const made = mine.reduce((sum, { came }) => sum + (sent.get(came.path)?.n ?? 0), 0);
    const charged = await until("events in the ledger", () => operator.used(account?.id ?? "", "events"));
    expect(charged).toBeGreaterThanOrEqual(got);
    expect(charged).toBeLessThanOrEqual(made);
    for (const one of others) one.leave();
    expect(scene.gateway.logs().filter(({ level }) => Number(level) >= 50)).toEqual([]);
  }, 60_000);

  test("a key whose time is over ends its streams, and so does a secret whose overlap is; whatever was changed meanwhile", async () => {
    await using scene = await start(lane);
    const { operator } = scene;
    const [short, cut, rotated, longer] = [
      await operator.key({ expires: "6s" }),
      await operator.key(),
      await operator.key(),
      await operator.key({ expires: "6s" }),
    ];
    const opened: Opened[] = [];
    for (const key of [short, cut, rotated]) opened.push(...(await streams(scene, key.line, 2)));
    const others = await streams(scene, longer.line, 2);
    const soon = new Date(Date.now() + 2000).toISOString();
    const later = new Date(Date.now() + 3_600_000).toISOString();
    expect((await operator.call("PATCH", `/admin/keys/${cut.id}`, { expiresAt: soon })).status).toBe(200);
    expect((await operator.call("PATCH", `/admin/keys/${longer.id}`, { expiresAt: later })).status).toBe(200);
    const made = await operator.call("POST", `/admin/keys/${rotated.id}/rotate`, { overlap: "2s" });
    others.push(...(await streams(scene, `Authorization: Bearer ${String(made.body.key)}`, 2)));
    await until("the end of the streams", () => opened.every(isCut), 15_000);
    await areCut(opened);
    await goOn(others);
    for (const one of others) one.leave();
  }, 60_000);

  test("a change that ends nothing leaves streams alone, also when their token is over; what ends their user still ends them", async () => {
    await using scene = await start(lane);
    const { operator } = scene;
    const exp = Math.floor(Date.now() / 1000) + 2;
    const opened = await streams(scene, tokenLine("zoe", "org-zoe", { exp }), 3);
    await until("the token's end", () => Date.now() / 1000 > exp + 0.1);
    for (const [method, path, body] of [
      ["PATCH", "/admin/accounts/org-zoe", { name: "Other" }],
      ["PATCH", "/admin/accounts/org-zoe/members/zoe", { roles: ["Admin"] }],
    ] as const)
      expect((await operator.call(method, path, body)).status).toBe(200);
    await goOn(opened);
    expect((await operator.call("DELETE", "/admin/users/zoe/sessions")).status).toBe(200);
    await areCut(opened);
  }, 30_000);
});
