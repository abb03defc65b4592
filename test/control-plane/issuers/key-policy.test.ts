/** Which keys of an issuer's set may verify tokens: sound public signature keys that the issuer's algorithms name, nothing else. */
import { generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { expect, test } from "vitest";
import { readKeySet } from "#control-plane/issuers/key-policy.ts";
import { makeKey } from "#test/support/jwt.ts";

const ALL = ["RS256", "PS256", "ES256", "ES384", "ES512", "EdDSA"];
const rsa = makeKey("RS256", "rsa").jwk;
const ec = makeKey("ES256", "ec").jwk;
const ed = makeKey("EdDSA", "ed").jwk;

function read(keys: readonly unknown[], allowed = ALL) {
  return readKeySet(JSON.stringify({ keys }), allowed);
}

function without(jwk: JsonWebKey, ...names: readonly string[]): JsonWebKey {
  return Object.fromEntries(Object.entries(jwk).filter(([name]) => !names.includes(name)));
}

/** A modulus of so many bits; odd and not of the ROCA pattern, else arbitrary. */
function modulus(bits: number): string {
  const bytes = Buffer.alloc(Math.ceil(bits / 8), 0xff);
  bytes[0] = 0xff >> (bytes.length * 8 - bits);
  return bytes.toString("base64url");
}

test("sound keys are taken, each with the algorithms it and the issuer have in common", () => {
  const { keys, refused } = read([rsa, ec, ed, without(rsa, "alg", "kid")]);
  expect(refused).toEqual([]);
  expect(keys.map(({ kid, algorithms }) => [kid, algorithms])).toEqual([
    ["rsa", ["RS256"]],
    ["ec", ["ES256"]],
    ["ed", ["EdDSA"]],
    [null, ["RS256", "PS256"]],
  ]);
});

test("the issuer's algorithms decide: a sound key of another one is left out", () => {
  const { keys, refused } = read([rsa, ec, ed], ["ES256"]);
  expect(keys.map(({ kid }) => kid)).toEqual(["ec"]);
  expect(refused.map(({ kid }) => kid)).toEqual(["rsa", "ed"]);
});

test.each<readonly [what: string, jwk: unknown, reason: RegExp]>([
  ["a symmetric key", { kty: "oct", k: "c2VjcmV0", kid: "x" }, /type or curve/],
  ["a symmetric key with an RSA algorithm", { kty: "oct", k: "c2VjcmV0", alg: "RS256", kid: "x" }, /type or curve/],
  ["an encryption key", { ...rsa, use: "enc", kid: "x" }, /use is not sig/],
  ["a key with an unusable use", { ...rsa, use: ["sig"], kid: "x" }, /use is not sig/],
  ["a key that may only sign", { ...rsa, key_ops: ["sign"], kid: "x" }, /key_ops/],
  ["a key with unusable key_ops", { ...rsa, key_ops: "verify", kid: "x" }, /key_ops/],
  ["a private key", { ...makeKey("ES256").privateKey.export({ format: "jwk" }), kid: "x" }, /private/],
  ["a private RSA key", { ...makeKey("RS256").privateKey.export({ format: "jwk" }), kid: "x" }, /private/],
  ["a key with a private part that is null", { ...ec, d: null, kid: "x" }, /private/],
  ["RSA with exponent 1", { ...rsa, e: "AQ", kid: "x" }, /exponent/],
  ["RSA with exponent 0", { ...rsa, e: "AA", kid: "x" }, /exponent/],
  ["RSA with an even exponent", { ...rsa, e: "AQAA", kid: "x" }, /exponent/],
  ["RSA with a huge exponent", { ...rsa, e: "AQAAAAE", kid: "x" }, /exponent/],
  ["RSA without an exponent", { ...without(rsa, "e"), kid: "x" }, /malformed/],
  ["RSA with a padded modulus", { ...rsa, n: `${rsa.n}==`, kid: "x" }, /malformed/],
  ["RSA with a number as modulus", { ...rsa, n: 65_537, kid: "x" }, /malformed/],
  ["RSA of 1024 bits", { ...generateKeyPairSync("rsa", { modulusLength: 1024 }).publicKey.export({ format: "jwk" }), kid: "x" }, /1024 bits/],
  ["RSA of 2047 bits", { ...rsa, n: modulus(2047), kid: "x" }, /2047 bits/],
  ["RSA of 1024 bits behind zeros", { ...rsa, n: Buffer.concat([Buffer.alloc(200), Buffer.alloc(128, 0xff)]).toString("base64url"), kid: "x" }, /1024 bits/],
  ["RSA of 16384 bits", { ...rsa, n: modulus(16_384), kid: "x" }, /16384 bits/],
  ["RSA with an even modulus", { ...rsa, n: Buffer.concat([Buffer.alloc(255, 0xff), Buffer.from([0xfe])]).toString("base64url"), kid: "x" }, /even/],
  ["a curve nobody uses", { ...ec, crv: "secp256k1", kid: "x" }, /type or curve/],
  ["an Ed25519 key named EC", { ...ed, kty: "EC", kid: "x" }, /type or curve/],
  ["X25519, which does not sign", { ...ed, crv: "X25519", kid: "x" }, /type or curve/],
  ["a key whose own algorithm is not one of its type", { ...rsa, alg: "ES256", kid: "x" }, /algorithms/],
  ["a key for HMAC", { ...rsa, alg: "HS256", kid: "x" }, /algorithms/],
  ["a key for none", { ...rsa, alg: "none", kid: "x" }, /algorithms/],
])("%s is left out", (_what, jwk, reason) => {
  const { keys, refused } = read([jwk, ec]);
  expect(keys.map(({ kid }) => kid)).toEqual(["ec"]);
  expect(refused).toEqual([{ kid: "x", reason: expect.stringMatching(reason) }]);
}); // biome-ignore format: one key a line

test("RSA of exactly 2048 and of 8192 bits is enough, a bit more than 8192 is too much", () => {
  const { keys, refused } = read(
    [2_048, 8_192, 8_193].map((bits) => ({ ...rsa, n: modulus(bits), kid: String(bits) })),
  );
  expect(keys.map(({ kid }) => kid)).toEqual(["2048", "8192"]);
  expect(refused.map(({ kid }) => kid)).toEqual(["8193"]);
});

test("a modulus of the ROCA pattern is left out, however long it is", () => {
  // 65537^k modulo each prime is what the flawed library made; a power of 65537 itself has the pattern by definition.
  const power = 65_537n ** 129n;
  const hex = power.toString(16);
  const n = Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex").toString("base64url");
  expect(read([{ ...rsa, n, kid: "x" }]).refused).toEqual([{ kid: "x", reason: expect.stringContaining("ROCA") }]);
});

test("members of a set that are no keys are left out, and the others still count", () => {
  const { keys, refused } = read([null, 1, "key", [], {}, { kid: 7 }, ec]);
  expect(keys.map(({ kid }) => kid)).toEqual(["ec"]);
  expect(refused).toHaveLength(6);
});

test.each(["", "{", "[]", "null", "{}", '{"keys":{}}', '{"keys":null}', "<html>"])(
  "the text %j is no key set",
  (text) => {
    expect(() => readKeySet(text, ALL)).toThrow(/JWK set|JSON/);
  },
);

test("a set of more than 100 keys is refused whole", () => {
  expect(read(Array.from({ length: 100 }, () => ec)).keys).toHaveLength(100);
  expect(() => read(Array.from({ length: 101 }, () => ec))).toThrow("more than 100 keys");
});
