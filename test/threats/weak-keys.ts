/** JWKs that no verifier should take: too small, too simple, for another purpose, or not public. Some need no private half. */
import { createHash, generateKeyPairSync, type JsonWebKey } from "node:crypto";
import { encodePart } from "#test/support/jwt.ts";

const PRIMES_OF_ROCA = [
  2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103, 107, 109,
  113, 127, 131, 137, 139, 149, 151, 157, 163, 167, 173, 179, 181, 191, 193, 197, 199, 211, 223, 227, 229, 233, 239,
  241, 251, 257, 263,
];

/** A public RSA key of this size, with what else the key set says about it. */
export function rsaJwk(bits: number, more: Readonly<Record<string, unknown>> = {}): JsonWebKey {
  const { publicKey } = generateKeyPairSync("rsa", { modulusLength: bits });
  return { ...publicKey.export({ format: "jwk" }), kid: `rsa-${bits}`, alg: "RS256", use: "sig", ...more };
}

/** A modulus of 2048 bits as flawed smart cards made them: a power of 65537 modulo all small primes (CVE-2017-15361). */
export function rocaJwk(): JsonWebKey {
  const product = PRIMES_OF_ROCA.reduce((all, prime) => all * BigInt(prime), 1n);
  const power = 65_537n ** 12n % product;
  const modulus = power + product * ((1n << 2047n) / product + 1n);
  return { kty: "RSA", n: base64urlOf(modulus), e: "AQAB", kid: "roca", alg: "RS256", use: "sig" };
}

export function base64urlOf(value: bigint): string {
  const hex = value.toString(16);
  return Buffer.from(hex.length % 2 === 0 ? hex : `0${hex}`, "hex").toString("base64url");
}

const DIGEST_INFO_SHA256 = Buffer.from("3031300d060960864801650304020105000420", "hex");

/** What an exponent of 1 allows: the padded hash is its own signature, so anybody signs. */
export function forgedForExponentOne(bytes: number, header: unknown, payload: unknown): string {
  const input = `${encodePart(header)}.${encodePart(payload)}`;
  const tail = Buffer.concat([Buffer.from([0]), DIGEST_INFO_SHA256, createHash("sha256").update(input).digest()]);
  const padding = Buffer.alloc(bytes - tail.length - 2, 0xff);
  const signature = Buffer.concat([Buffer.from([0, 1]), padding, tail]);
  return `${input}.${signature.toString("base64url")}`;
}
