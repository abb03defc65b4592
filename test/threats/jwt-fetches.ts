/** H05–H08: tokens and issuers that would have the gateway fetch things: how often, from where, and what if nothing good comes. */
import { expect } from "vitest";
import { type JwksServer, startJwks } from "#test/support/jwks.ts";
import { makeKey, signToken } from "#test/support/jwt.ts";
import { connectionToEach } from "#test/support/connection.ts";
import { startGateway } from "#test/support/process.ts";
import { rawExchange } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import { bearer, getPrivate } from "./expectations.ts";
import { acceptedToken, refusedToken } from "./jwt-algorithms.ts";
import { goodClaims, tokenWithHeader } from "./jwt-world.ts";
import { encodedParts } from "./jws.ts";
import { type LoneRow, runCases } from "./runner.ts";
import { startWorld, type World } from "./world.ts";
import { worldConfig } from "./world-config.ts";

export const JWT_FETCHES: readonly LoneRow[] = [
  {
    id: "H05",
    class: "jwt",
    name: "a key's address inside the header is not fetched; the configured set decides",
    proof: async () => {
      const own = makeKey("ES256", "main");
      const evil = makeKey("ES256", "main");
      await using world = await startWorld({ keys: [own] });
      await using listener = await startJwks(evil);
      for (const place of ["jku", "x5u"]) {
        const header = { [place]: listener.url };
        await runCases(world, [
          unfetched(
            refusedToken(
              `${place}, the attacker's key`,
              tokenWithHeader(evil, world.jwks.issuer, header),
              "token:signature",
            ),
          ),
          unfetched(acceptedToken(`${place}, our key`, tokenWithHeader(own, world.jwks.issuer, header))),
        ]);
      }
      expect(listener.fetches).toBe(0);
    },
  },
  {
    id: "H06",
    class: "jwt",
    name: "a kid is a name and nothing else: no file, no SQL, no address; each refusal is one log line",
    proof: async () => {
      await using world = await startWorld();
      await using listener = await startJwks();
      await hostileKids(world, listener);
    },
  },
  {
    id: "H07",
    class: "jwt",
    name: "thousands of unknown kids lead to one fetch within the cooldown, and good tokens go on passing",
    proof: async () => {
      await using world = await startWorld({ workers: 2 });
      await flood(world);
    },
  },
  {
    id: "H08",
    class: "jwt",
    name: "while the issuer is down, wrong, huge or slow the last good set is used, also after a restart; then rotation is seen",
    proof: async () => {
      await using world = await startWorld({ workers: 2 });
      await badDays(world);
    },
  },
];

function unfetched(one: ReturnType<typeof refusedToken>): ReturnType<typeof refusedToken> {
  return { ...one, expect: { ...one.expect, fetches: 0 } };
}

async function hostileKids(world: World, listener: JwksServer): Promise<void> {
  const [key = makeKey("ES256")] = world.jwks.keys;
  const { fetches } = world.jwks;
  const named = [
    "../../dev/null",
    "/etc/passwd",
    "' OR '1'='1",
    "x'; DROP TABLE accounts; --",
    "__proto__",
    "constructor",
    listener.url,
    "file:///etc/passwd",
    "main ",
    "MAIN",
    "main/../main",
  ];
  const unusable: readonly unknown[] = [
    "",
    "main\0",
    "m\u00e4in",
    "x".repeat(257),
    {},
    { toString: "main" },
    ["main"],
    1,
    null,
    true,
  ];
  const by = (kid: unknown) => tokenWithHeader(key, world.jwks.issuer, { kid });
  await runCases(world, [
    ...named.map((kid) => refusedToken(kid, by(kid), "token:kid")),
    ...unusable.map((kid) => refusedToken(JSON.stringify(kid), by(kid), "token:kid")),
    refusedToken("10 KiB", by("x".repeat(10_240)), "token:length"),
    acceptedToken("its real name", by("main")),
  ]);
  expect(listener.fetches).toBe(0);
  expect(world.jwks.fetches - fetches).toBeLessThanOrEqual(1);
  const refusals = world.gateway.logs().filter(({ event }) => event === "refused");
  expect(new Set(refusals.map((line) => line.request_id)).size).toBe(refusals.length);
  expect(refusals.length).toBe(named.length + unusable.length + 1);
  expect(await world.admin.call("GET", "/admin/accounts")).toMatchObject({ data: [{}, {}] });
}

const FLOOD = 3000;
const ROUNDS = 50;

async function flood(world: World): Promise<void> {
  const { fetches } = world.jwks;
  const each = await connectionToEach(world.gateway, 2);
  const good = bearer(world.token());
  const token = (index: number) =>
    encodedParts({ alg: "ES256", kid: `unknown-${index}`, typ: "JWT" }, goodClaims(world.jwks.issuer), "AAAA");
  const perRound = FLOOD / ROUNDS;
  for (let round = 0; round < ROUNDS; round++) {
    const requests = Array.from({ length: perRound }, (_, index) =>
      getPrivate(bearer(token(round * perRound + index))),
    );
    const [answer, ...passing] = await Promise.all([
      rawExchange(world.gateway.port, requests.join(""), { responses: perRound, idleMs: 5000 }),
      ...each.map((connection) => connection.ask("GET", "/private/x", [good])),
    ]);
    expect(answer.responses.map(({ status }) => status)).toEqual(Array.from({ length: perRound }, () => 401));
    expect(passing.map(({ status }) => status)).toEqual([200, 200]);
  }
  expect(world.jwks.fetches - fetches).toBe(1);
  for (const connection of each) connection[Symbol.dispose]();
}

/** A changed issuer is fetched anew at once, so each mood of the key-set server is one reload. */
async function badDays(world: World): Promise<void> {
  const { jwks, gateway } = world;
  const token = world.token();
  const statusOf = asker(gateway.port);
  const failed = () => gateway.logs().filter(({ event }) => event === "key-set-failed");
  const moods = [
    { down: true },
    { down: false, status: 500 },
    { status: 302, headers: { location: jwks.url } },
    { status: 200, headers: {}, body: " ".repeat(10 * 1024 * 1024) },
    { body: "{}" },
    { body: '{"keys":[]}' },
    { body: "<html>" },
    { body: null, delayMs: 60_000 },
  ];
  for (const [index, mood] of moods.entries()) {
    jwks.set(mood);
    expect(await gateway.reload(another(world, index + 1))).toMatchObject({ event: "reloaded" });
    // Also while the answer is still awaited.
    expect(await statusOf(token), `mood ${index}`).toBe(200);
    await until(`fetch ${index} fails`, () => failed().length === index + 1, 8000);
    expect(await statusOf(token), `mood ${index}`).toBe(200);
  }
  expect(failed().every((line) => line.kept_keys === 1)).toBe(true);
  jwks.set({ delayMs: 0, down: true });
  await rotation(world);
}

async function rotation(world: World): Promise<void> {
  const { jwks, gateway } = world;
  const statusOf = asker(gateway.port);
  const old = world.token();
  expect(await statusOf(old)).toBe(200);
  jwks.set({ down: false });
  expect(await gateway.reload(another(world, 100))).toMatchObject({ event: "reloaded" });
  const first = jwks.rotate(makeKey("ES256", "twice"), makeKey("ES256", "twice"));
  const [, second = first] = jwks.keys;
  const stranger = makeKey("ES256", "twice");
  const by = (key: typeof first) => signToken(key, { claims: goodClaims(jwks.issuer) });
  expect(await statusOf(by(first))).toBe(200);
  expect(await statusOf(by(second))).toBe(200);
  expect(await statusOf(by(stranger))).toBe(401);
  expect(await statusOf(old)).toBe(401);
  jwks.set({ down: true });
  await gateway.stop();
  await using again = await startGateway(another(world, 101), { dir: gateway.dir });
  expect(await asker(again.port)(by(first)), "after a restart without the issuer").toBe(200);
}

function asker(port: number): (token: string) => Promise<number | undefined> {
  return async (token) =>
    (await rawExchange(port, getPrivate(bearer(token)), { responses: 1, idleMs: 5000 })).responses[0]?.status;
}

/** The same configuration but for one required claim that every token has: enough to count as another issuer. */
function another(world: World, index: number): Record<string, unknown> {
  const required = ["sub", "aud", "iss", "exp"].slice(0, 1 + (index % 3));
  return worldConfig(
    { upstream: world.upstream.url, jwks: world.jwks },
    { workers: 2, issuer: { required, clockSkew: `${1 + index}s` } },
  );
}
