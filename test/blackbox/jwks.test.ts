/**
 * Key sets of issuers: rotated, down, slow, broken, and asked for no more often than needed. One gateway trusts an issuer for each
 * test, and the tests run at the same time: unknown keys lead to a fetch only every 10 s an issuer.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { type Connection, connectionToEach, openConnection } from "#test/support/connection.ts";
import { type JwksServer, startJwks } from "#test/support/jwks.ts";
import { makeKey, signParts, signToken, type TestKey } from "#test/support/jwt.ts";
import { type Scene, startScene } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";

const FLOOD = 2000;
const FLOOD_CONNECTIONS = 40;
/** `COOLDOWN_NS` of the gateway, and a little. */
const RECOVERY_MAX_MS = 12_000;

const BAD_ANSWERS = {
  "status-500": [{ status: 500 }, /500/],
  "ten-mebibytes": [{ body: `{"keys":[],"pad":"${"x".repeat(10 * 1024 * 1024)}"}` }, /larger than/],
  garbage: [{ body: "<html>down for maintenance</html>" }, /\S/],
  "another-json": [{ body: '{"keys":"none"}' }, /\S/],
  "no-keys": [{ body: '{"keys":[]}' }, /no usable key/],
  redirect: [{ status: 302, headers: { location: "http://127.0.0.1:1/" } }, /302/],
  "secret-key": [{ body: '{"keys":[{"kty":"oct","k":"c2VjcmV0","kid":"s","alg":"HS256"}]}' }, /no usable key/],
} as const;
const BAD_NAMES = Object.keys(BAD_ANSWERS) as readonly (keyof typeof BAD_ANSWERS)[]; // the keys of a const object

const NAMES = [...BAD_NAMES, "rotated", "nameless", "flooded", "silent", "down-then-up", "down-until-asked"] as const;
const issuers = new Map(
  await Promise.all(NAMES.map(async (name) => [name, await startJwks(makeKey("ES256"))] as const)),
);
for (const name of ["down-then-up", "down-until-asked"] as const) issuer(name).set({ down: true });
const scene = await startScene({ config: trusting(issuers) });

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await Promise.all([...issuers.values()].map((jwks) => jwks.close()));
});

function issuer(name: (typeof NAMES)[number]): JwksServer {
  const jwks = issuers.get(name);
  if (jwks === undefined) throw new Error(`No issuer ${name}`);
  return jwks;
}

function trusting(trusted: ReadonlyMap<string, JwksServer>) {
  const list = [...trusted].map(([name, jwks]) => ({ name, issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"] }));
  return { identity: { issuers: list }, routes: [{ name: "all", match: { path: "/**" }, upstream: "app" }] };
}

/** A token by this issuer's first key, or by another key. No two are the same. */
function tokenOf(jwks: JwksServer, key: TestKey | undefined = jwks.keys[0]): string {
  if (key === undefined) throw new Error("The key set is empty");
  return signToken(key, { claims: { iss: jwks.issuer, aud: "api", sub: "u1", jti: Math.random() } });
}

async function statusOf(token: string, of: Scene = scene): Promise<number> {
  return (await fetch(of.gateway.url, { headers: { authorization: `Bearer ${token}` } })).status;
}

async function statusOn(connection: Connection, token: string): Promise<number> {
  return (await connection.ask("GET", "/", [`Authorization: Bearer ${token}`])).status;
}

/** Why the set of this issuer could not be fetched the last time; undefined: it always could. */
function failureOf(name: string, of: Scene = scene): unknown {
  return of.gateway.logs().findLast((line) => line.event === "key-set-failed" && line.issuer === name)?.reason;
}

describe.concurrent("an issuer", () => {
  test("that rotates its key: the new one works at its first request on each worker, the old one ends with the set", async () => {
    const jwks = issuer("rotated");
    const workers = await connectionToEach(scene.gateway, 2);
    const ask = async (token: string) => await Promise.all(workers.map((one) => statusOn(one, token)));
    const before = tokenOf(jwks);
    const [old] = jwks.keys;
    expect(await ask(before)).toEqual([200, 200]);
    expect(jwks.fetches).toBe(1);
    jwks.rotate(makeKey("RS256"));
    expect(await ask(tokenOf(jwks))).toEqual([200, 200]);
    expect(jwks.fetches).toBe(2);
    expect(await ask(before)).toEqual([401, 401]);
    expect(await ask(tokenOf(jwks, old))).toEqual([401, 401]);
  });

  test("whose tokens name no key: a rotation is noticed at the first token of the new one", async () => {
    const jwks = issuer("nameless");
    const nameless = (key: TestKey) => {
      const exp = Math.floor(Date.now() / 1000) + 600;
      const payload = { iss: jwks.issuer, aud: "api", sub: "u1", exp, jti: Math.random() };
      return signParts(key, { alg: key.alg, typ: "JWT" }, payload);
    };
    const [old] = jwks.keys;
    if (old === undefined) throw new Error("The key set is empty");
    expect(await statusOf(nameless(old))).toBe(200);
    const fresh = makeKey("ES256");
    jwks.rotate(fresh);
    expect(await statusOf(nameless(fresh))).toBe(200);
    expect(await statusOf(nameless(old))).toBe(401);
    expect(jwks.fetches).toBe(2);
  });

  test("that was down at the first start works at the first token after it came up", async () => {
    const jwks = issuer("down-then-up");
    // It is asked again by itself every two seconds: once that has just failed, the token is what leads to the next fetch.
    const failures = () =>
      scene.gateway.logs().filter((line) => line.event === "key-set-failed" && line.issuer === "down-then-up").length;
    const failed = failures();
    await until("another try has failed", () => failures() > failed);
    const before = jwks.fetches;
    jwks.set({ down: false });
    expect(await statusOf(tokenOf(jwks))).toBe(200);
    expect(jwks.fetches - before).toBe(1);
  });

  test("that is down without a kept set gives 401, never a 5xx, and recovers without a restart", async () => {
    const jwks = issuer("down-until-asked");
    for (const _again of [1, 2, 3]) expect(await statusOf(tokenOf(jwks))).toBe(401);
    jwks.set({ down: false });
    await until("the issuer's tokens pass", async () => (await statusOf(tokenOf(jwks))) === 200, RECOVERY_MAX_MS, 100);
  });

  test("met by 2000 requests, most with unknown keys, is asked once, and its good tokens are served meanwhile", async () => {
    const jwks = issuer("flooded");
    const before = jwks.fetches;
    const connections = await Promise.all(
      Array.from({ length: FLOOD_CONNECTIONS }, () => openConnection(scene.gateway.port)),
    );
    const statuses = (await Promise.all(connections.map((connection, index) => flood(connection, index)))).flat();
    for (const connection of connections) connection[Symbol.dispose]();
    expect(statuses.filter((status) => status === 200)).toHaveLength(FLOOD / 10);
    expect(statuses.filter((status) => status === 401)).toHaveLength(FLOOD - FLOOD / 10);
    expect(jwks.fetches - before).toBe(1);
  });

  test.each(BAD_NAMES)("that answers with %s keeps its last good set", async (name) => {
    const jwks = issuer(name);
    const [state, reason] = BAD_ANSWERS[name];
    expect(await statusOf(tokenOf(jwks))).toBe(200);
    jwks.set(state);
    expect(await statusOf(tokenOf(jwks, makeKey("ES256")))).toBe(401);
    expect(await until("the failure is logged", () => failureOf(name))).toMatch(reason);
    expect(await statusOf(tokenOf(jwks))).toBe(200);
  });

  test("that does not answer delays only tokens of unknown keys, and those end with 401", async () => {
    const jwks = issuer("silent");
    expect(await statusOf(tokenOf(jwks))).toBe(200);
    jwks.set({ delayMs: 20_000 });
    const started = performance.now();
    const unknown = statusOf(tokenOf(jwks, makeKey("ES256"))).then((status) => ({
      status,
      afterMs: performance.now() - started,
    }));
    await until("the issuer is asked", () => jwks.fetches === 2);
    expect(await statusOf(tokenOf(jwks))).toBe(200);
    const goodAfterMs = performance.now() - started;
    const { status, afterMs } = await unknown;
    expect(status).toBe(401);
    expect(goodAfterMs).toBeLessThan(afterMs);
    expect(afterMs).toBeLessThan(8000);
    expect(await statusOf(tokenOf(jwks))).toBe(200);
  });

  test("that is down at a later start is not missed, for its set is kept, and is asked again for new keys", async () => {
    await using jwks = await startJwks(makeKey("EdDSA"));
    const dir = mkdtempSync(join(tmpdir(), "tollgate-jwks-"));
    try {
      const config = trusting(new Map([["main", jwks]]));
      await using first = await startScene({ config, gateway: { dir } });
      await first.gateway.stop();
      jwks.set({ down: true });
      await using second = await startScene({ config, gateway: { dir } });
      expect(await statusOf(tokenOf(jwks), second)).toBe(200);
      await until("the failure is logged", () => failureOf("main", second));
      jwks.set({ down: false });
      jwks.rotate();
      expect(await statusOf(tokenOf(jwks), second)).toBe(200);
    } finally {
      rmSync(dir, { recursive: true, force: true });
    }
  });
});

/** This connection's part of the flood: every tenth token is good. */
async function flood(connection: Connection, index: number): Promise<readonly number[]> {
  const jwks = issuer("flooded");
  const stranger = makeKey("ES256");
  const statuses: number[] = [];
  for (let number = 0; number < FLOOD / FLOOD_CONNECTIONS; number++) {
    const key = number % 10 === 0 ? jwks.keys[0] : { ...stranger, kid: `unknown-${index}-${number}` };
    statuses.push(await statusOn(connection, tokenOf(jwks, key)));
  }
  return statuses;
}
