/** H18, H21: keys too weak to trust, and verified tokens that must be forgotten. */
import { generateKeyPairSync } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { type Connection, connectionToEach } from "#test/support/connection.ts";
import { encodePart, makeKey, type TestKey } from "#test/support/jwt.ts";
import { runCli } from "#test/support/cli.ts";
import { bearer } from "./expectations.ts";
import { acceptedToken, refusedToken } from "./jwt-algorithms.ts";
import { goodClaims, goodHeader } from "./jwt-world.ts";
import { partsOf, signAs } from "./jws.ts";
import { type LoneRow, runCases } from "./runner.ts";
import { forgedForExponentOne, rocaJwk, rsaJwk } from "./weak-keys.ts";
import { startWorld, type World } from "./world.ts";
import { worldConfig } from "./world-config.ts";

export const JWT_KEY_ROWS: readonly LoneRow[] = [
  {
    id: "H18",
    class: "jwt",
    name: "a file with nothing but weak keys refuses the start, and HS256 cannot be configured at all",
    proof: () => refusedStarts(),
  },
  {
    id: "H18",
    class: "jwt",
    name: "weak keys between good ones of a key-set URL verify nothing, not even a forgery that their exponent makes free",
    proof: () => weakAmongGood(),
  },
  {
    id: "H21",
    class: "jwt",
    name: "a remembered token ends with its exp, its key, its issuer and its account, on every worker, and is known by all its text",
    proof: async () => {
      await using world = await startWorld({ workers: 2 });
      const each = await connectionToEach(world.gateway, 2);
      await forgetting(world, each);
      for (const connection of each) connection[Symbol.dispose]();
    },
  },
];

async function refusedStarts(): Promise<void> {
  const oct = { kty: "oct", k: Buffer.alloc(16, 7).toString("base64url"), kid: "short", alg: "HS256" };
  await Promise.all([
    refusedStart(rsaJwk(1024), "RS256", "1024 bits"),
    refusedStart(rsaJwk(2048, { e: "AQ" }), "RS256", "exponent is unsafe"),
    refusedStart(rocaJwk(), "RS256", "ROCA"),
    refusedStart(oct, "RS256", "not supported"),
    refusedStart(oct, "HS256", 'got "HS256"'),
  ]);
}

async function refusedStart(jwk: object, algorithm: string, words: string): Promise<void> {
  const dir = mkdtempSync(join(tmpdir(), "tollgate-weak-"));
  try {
    writeFileSync(join(dir, "keys.json"), JSON.stringify({ keys: [jwk] }));
    const issuer = {
      name: "weak",
      issuer: "https://weak.example",
      jwks: "file:keys.json",
      audiences: ["api"],
      algorithms: [algorithm],
    };
    const server = { listen: "127.0.0.1:0", admin: "127.0.0.1:0" };
    const config = {
      version: 1,
      server,
      identity: { issuers: [issuer] },
      plans: { free: { default: true } },
      upstreams: {},
      routes: [],
    };
    writeFileSync(join(dir, "gateway.yaml"), JSON.stringify(config));
    const { code, stdout, stderr } = await runCli(["start", "-c", "gateway.yaml"], { cwd: dir });
    expect
      .soft({ code, ready: stdout.includes("ready") || stderr.includes('"ready"') })
      .toEqual({ code: 1, ready: false });
    expect.soft(stderr).toContain(words);
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

async function weakAmongGood(): Promise<void> {
  const small = generateKeyPairSync("rsa", { modulusLength: 1024 });
  const good = makeKey("RS256", "good");
  const published = (kid: string, jwk: object): TestKey => ({
    ...good,
    kid,
    jwk: { ...jwk, kid, alg: "RS256", use: "sig" },
  });
  const one = published("one", rsaJwk(2048, { e: "AQ" }));
  const weak = published("small", small.publicKey.export({ format: "jwk" }));
  await using world = await startWorld({ keys: [good, weak, one, published("roca", rocaJwk())] });
  const claims = goodClaims(world.jwks.issuer);
  const forged = (kid: string | undefined) => forgedForExponentOne(256, { alg: "RS256", kid, typ: "JWT" }, claims);
  await runCases(world, [
    refusedToken("1024 bits", signAs("RS256", small.privateKey, goodHeader(weak), claims), "token:kid"),
    refusedToken(
      "1024 bits, unnamed",
      signAs("RS256", small.privateKey, { alg: "RS256", typ: "JWT" }, claims),
      "token:signature",
    ),
    refusedToken("e = 1, forged without any key", forged("one"), "token:kid"),
    refusedToken("e = 1, forged, unnamed", forged(undefined), "token:signature"),
    refusedToken("ROCA", forged("roca"), "token:kid"),
    acceptedToken("the good one", world.token()),
  ]);
  const left = world.gateway.logs().filter((line) => line.event === "key-refused" && line.issuer === "main");
  expect(left.map((line) => line.kid)).toEqual(["small", "one", "roca"]);
}

async function forgetting(world: World, each: readonly Connection[]): Promise<void> {
  const { jwks, gateway } = world;
  const ask = async (token: string) =>
    Promise.all(each.map(async (connection) => (await connection.ask("GET", "/private/x", [bearer(token)])).status));
  const remembered = world.token();
  expect(await ask(remembered)).toEqual([200, 200]);

  const [header, payload, signature] = partsOf(remembered);
  const otherHeader = encodePart(Buffer.from(header, "base64url").toString().replace("{", "{ "));
  const otherPayload = encodePart(Buffer.from(payload, "base64url").toString().replace("acme", "globex"));
  expect(await ask(`${otherHeader}.${payload}.${signature}`), "same signature, other header").toEqual([401, 401]);
  expect(await ask(`${header}.${otherPayload}.${signature}`), "same signature, other payload").toEqual([401, 401]);

  const exp = Math.floor(Date.now() / 1000) + 2;
  const short = world.token({ claims: { exp } });
  expect(await ask(short)).toEqual([200, 200]);
  // Timers may fire a little before their time.
  await sleep(exp * 1000 - Date.now() + 5);
  expect(await ask(short), "expired while remembered").toEqual([401, 401]);

  await world.admin.call("PATCH", `/admin/accounts/${world.acme.id}`, { state: "suspended" });
  expect(await ask(remembered), "account suspended").toEqual([403, 403]);
  await world.admin.call("PATCH", `/admin/accounts/${world.acme.id}`, { state: "active" });
  expect(await ask(remembered)).toEqual([200, 200]);

  const next = jwks.rotate(makeKey("ES256", "next"));
  expect((await ask(world.token()))[0], "the new key is fetched").toBe(200);
  expect(await ask(remembered), `key removed, ${next.kid} came`).toEqual([401, 401]);

  const renewed = world.token();
  expect(await ask(renewed)).toEqual([200, 200]);
  const config = worldConfig({ upstream: world.upstream.url, jwks }, { workers: 2, issuer: { audiences: ["other"] } });
  expect(await gateway.reload(config)).toMatchObject({ event: "reloaded" });
  expect(await ask(renewed), "audience no longer accepted").toEqual([401, 401]);
}
