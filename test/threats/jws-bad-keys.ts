/** JWKs that an issuer's set may hold and no token may be verified with. Chosen after the classes of public test vectors; our own. */
import { generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { base64urlOf, rocaJwk, rsaJwk } from "./weak-keys.ts";

const rsa = rsaJwk(2048);
const n = BigInt(`0x${Buffer.from(String(rsa.n), "base64url").toString("hex")}`);
const ecPair = generateKeyPairSync("ec", { namedCurve: "P-256" });
const ec = { ...ecPair.publicKey.export({ format: "jwk" }), kid: "ec", alg: "ES256", use: "sig" };
const edPair = generateKeyPairSync("ed25519");
const ed = { ...edPair.publicKey.export({ format: "jwk" }), kid: "ed", alg: "EdDSA", use: "sig" };

function curve(name: string): JsonWebKey {
  return generateKeyPairSync("ec", { namedCurve: name }).publicKey.export({ format: "jwk" });
}

export const GOOD_KEYS: readonly object[] = [
  rsa,
  ec,
  ed,
  { ...rsa, alg: undefined },
  { ...ec, use: undefined, key_ops: ["verify"] },
];

export const BAD_KEYS: Readonly<Record<string, unknown>> = {
  "RSA of 512 bits": rsaJwk(512), // the modulus of a signature nobody should take
  "RSA of 1024 bits": rsaJwk(1024),
  "RSA of 2047 bits": { ...rsa, n: base64urlOf((n >> 1n) | 1n) },
  "RSA of 16384 bits": { ...rsa, n: base64urlOf(n ** 8n) },
  "RSA, e = 1": { ...rsa, e: "AQ" },
  "RSA, e = 2": { ...rsa, e: "Ag" },
  "RSA, e = 0": { ...rsa, e: "AA" },
  "RSA, e even": { ...rsa, e: "AQAA" },
  "RSA, e of 40 bits": { ...rsa, e: "AQAAAAE" },
  "RSA, n even": { ...rsa, n: base64urlOf(n - 1n) },
  "RSA, n in standard base64": { ...rsa, n: `${String(rsa.n)}+/=` },
  "RSA, n a number": { ...rsa, n: 5 },
  "RSA without n": { ...rsa, n: undefined },
  "RSA without e": { ...rsa, e: undefined },
  "RSA with the ROCA pattern": rocaJwk(),
  "RSA for encryption": { ...rsa, use: "enc" },
  "RSA with alg RSA-OAEP": { ...rsa, alg: "RSA-OAEP" },
  "RSA with alg HS256": { ...rsa, alg: "HS256" },
  "RSA with alg none": { ...rsa, alg: "none" },
  "RSA with alg ES256": { ...rsa, alg: "ES256" },
  "RSA with use null": { ...rsa, use: null },
  "RSA with an algorithm that is not configured": { ...rsa, alg: "RS512" },
  "EC for encryption": { ...ec, use: "enc" },
  "EC with key_ops deriveKey": { ...ec, use: undefined, key_ops: ["deriveKey"] },
  "EC with key_ops sign": { ...ec, use: undefined, key_ops: ["sign"] },
  "EC with empty key_ops": { ...ec, use: undefined, key_ops: [] },
  "EC with key_ops as text": { ...ec, use: undefined, key_ops: "verify" },
  "EC with its private half": { ...ecPair.privateKey.export({ format: "jwk" }), kid: "ec", alg: "ES256" },
  "EC with alg ES384": { ...ec, alg: "ES384" },
  "EC on secp256k1": { ...curve("secp256k1"), alg: "ES256", kid: "k1" },
  "EC without a curve": { ...ec, crv: undefined },
  "EC on a curve of another name": { ...ec, crv: "P-255" },
  "Ed25519 with its private half": { ...edPair.privateKey.export({ format: "jwk" }), kid: "ed", alg: "EdDSA" },
  X25519: generateKeyPairSync("x25519").publicKey.export({ format: "jwk" }),
  Ed448: generateKeyPairSync("ed448").publicKey.export({ format: "jwk" }),
  "a secret": { kty: "oct", k: "c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0c2VjcmV0", alg: "HS256" },
  "a short secret": { kty: "oct", k: "c2VjcmV0", alg: "HS256" },
  "no type": { ...rsa, kty: undefined },
  "a type in another case": { ...rsa, kty: "rsa" },
  "a text": "key",
  null: null,
  "a list": [rsa],
};

/** Keys whose form passes and whose point is on no curve: nothing verifies with them. */
export const POINTLESS_KEYS: Readonly<Record<string, object>> = {
  "EC, a point off the curve": { ...ec, y: ec.x },
  "EC, the point at infinity": { ...ec, x: base64urlOf(0n).padEnd(43, "A"), y: base64urlOf(0n).padEnd(43, "A") },
  "EC, a short coordinate": { ...ec, x: String(ec.x).slice(0, 20) },
  "EC, a long coordinate": { ...ec, x: `AAAA${String(ec.x)}` },
  "Ed25519 of 31 bytes": { ...ed, x: Buffer.alloc(31, 9).toString("base64url") },
};
