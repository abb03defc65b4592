/**
 * The token rows once more for the gateway's own issuer (`preset: local`): its key signs nothing that others get through with, and other
 * keys sign nothing in its name. What the rows are: `jwt-algorithms.ts`, `jwt-claims.ts`; those of the other presets: `jwt-presets.test.ts`.
 */
import { createPrivateKey, createPublicKey } from "node:crypto";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import {
  makeKey,
  signParts,
  signWithPublicKeyAsSecret,
  tamper,
  type TestKey,
  unsignedToken,
} from "#test/support/jwt.ts";
import { askJson, startScene } from "#test/support/scene.ts";
import { hmacToken } from "./jws.ts";

const stranger = makeKey("EdDSA");
const jwks = await startJwks(stranger);
const scene = await startScene({
  config: {
    identity: {
      issuers: [
        { name: "own", preset: "local", audiences: ["api"], maxLifetime: "1h", claims: { account: "org", roles: "roles" } },
        { name: "other", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"] },
      ],
    },
  },
}); // biome-ignore format: an issuer a line
const { gateway, upstream } = scene;
afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  await jwks.close();
});

const good = (await gateway.cli("token", "--account", "acme", "--user", "u1", "--role", "User")).stdout.trim();
const partOf = (index: number): Record<string, unknown> =>
  JSON.parse(Buffer.from(good.split(".")[index] ?? "", "base64url").toString());
const [header, claims] = [partOf(0), partOf(1)];
const privateKey = createPrivateKey(readFileSync(join(gateway.dir, "data", "local-issuer.pem")));
const publicKey = createPublicKey(privateKey);
const own: TestKey = {
  kid: String(header.kid),
  alg: "EdDSA",
  privateKey,
  publicKey,
  jwk: publicKey.export({ format: "jwk" }),
};
const now = Math.floor(Date.now() / 1000);
const DAY_S = 86_400;

const by = (key: TestKey, more: object = {}, head: object = {}) =>
  signParts(key, { ...header, ...head }, { ...claims, ...more });
const says = (more: object) => by(own, more);
const headed = (head: object) => by(own, {}, head);
const secrets = {
  JWK: JSON.stringify(own.jwk),
  x: String(own.jwk.x),
  "x as bytes": Buffer.from(String(own.jwk.x), "base64url"),
  nothing: "",
};

const ROWS: readonly (readonly [what: string, token: string, rule: string])[] = [
  ["H01 alg none", unsignedToken(claims), "token:encoding"],
  ["H01 alg none with a signature", unsignedToken(claims) + (good.split(".")[2] ?? ""), "token:alg"],
  ["H02 HS256 under its public key", signWithPublicKeyAsSecret(own, claims), "token:alg"],
  ...Object.entries(secrets).flatMap(([form, secret]) => [
    [`H02 HS256 under its ${form}`, hmacToken(secret, { ...header, alg: "HS256" }, claims), "token:alg"] as const,
    [`H02 EdDSA under its ${form}`, hmacToken(secret, header, claims), "token:signature"] as const,
  ]),
  ["H03 ES256 of its key", headed({ alg: "ES256" }), "token:kid"],
  ["H03 RS512", headed({ alg: "RS512" }), "token:alg"],
  ["H04 a key in the header", by(stranger, {}, { jwk: stranger.jwk }), "token:signature"],
  ["H05 another issuer's key in its name", by(stranger), "token:signature"],
  ["H05 another issuer's key by its own kid", by(stranger, {}, { kid: stranger.kid }), "token:kid"],
  ["H05 its key in another issuer's name", says({ iss: jwks.issuer }), "token:kid"],
  ["H09 a signature of zeros", `${good.split(".").slice(0, 2).join(".")}.${Buffer.alloc(64).toString("base64url")}`, "token:signature"],
  ["H09 other claims under the signature", tamper(good, { ...claims, roles: ["Admin"] }), "token:signature"],
  ["H10 crit", headed({ crit: ["exp"] }), "token:header"],
  ["H10 b64", headed({ b64: false }), "token:header"],
  ["H11 no exp", says({ exp: undefined }), "token:exp"],
  ["H11 exp as text", says({ exp: String(now + 60) }), "token:exp"],
  ["H12 expired", says({ exp: now - 1 }), "token:exp"],
  ["H12 not yet", says({ nbf: now + 60 }), "token:nbf"],
  ["H12 issued tomorrow", says({ iat: now + DAY_S, exp: now + DAY_S + 60 }), "token:iat"],
  ["H12 lives too long", says({ exp: now + 7200 }), "token:lifetime"],
  ["H13 no audience", says({ aud: undefined }), "token:aud"],
  ["H13 another audience", says({ aud: "api2" }), "token:aud"],
  ["H13 no issuer", says({ iss: undefined }), "token:iss"],
  ["H13 its issuer in capitals", says({ iss: String(claims.iss).toUpperCase() }), "token:iss"],
  ["H14 another type", headed({ typ: "logout+jwt" }), "token:typ"],
  ["H15 a claim twice", signParts(own, header, `${JSON.stringify(claims).slice(0, -1)},"org":"globex"}`), "token:json"],
  ["H15 no account", says({ org: undefined }), "token:org"],
  ["H15 an account that is a list", says({ org: ["acme"] }), "token:org"],
]; // biome-ignore format: a table

const ask = (token: string) => askJson(`${gateway.url}/x`, { bearer: token });

test("a token of its own passes", async () => {
  expect((await ask(good)).status).toBe(200);
  expect((await ask(says({ iat: now }))).status).toBe(200);
  expect(upstream.last().headers).toMatchObject({ "x-tollgate-account": "acme", "x-tollgate-user": "u1" });
});

test.each(ROWS)("%s", async (_what, token, rule) => {
  const before = upstream.count;
  expect(await ask(token)).toMatchObject({ status: 401, body: { rule } });
  expect(upstream.count).toBe(before);
});
