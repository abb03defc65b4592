/** Signing by any algorithm name, over any header and payload, with node:crypto: what support/jwt.ts does for three of them. Pure. */
import { constants, createHmac, type KeyObject, sign } from "node:crypto";
import { encodePart } from "#test/support/jwt.ts";

type Signer = (input: Buffer, key: KeyObject) => Buffer;

const PSS = { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: constants.RSA_PSS_SALTLEN_DIGEST };

/** By the name in the header; the key must be of the right type. */
const SIGNERS: Readonly<Record<string, Signer>> = {
  RS256: (input, key) => sign("sha256", input, key),
  RS384: (input, key) => sign("sha384", input, key),
  RS512: (input, key) => sign("sha512", input, key),
  PS256: (input, key) => sign("sha256", input, { key, ...PSS }),
  ES256: (input, key) => sign("sha256", input, { key, dsaEncoding: "ieee-p1363" }),
  ES384: (input, key) => sign("sha384", input, { key, dsaEncoding: "ieee-p1363" }),
  EdDSA: (input, key) => sign(null, input, key),
};

/** A compact JWS signed by `alg`, whatever the header says. Strings are taken as the JSON text itself. */
export function signAs(alg: string, key: KeyObject, header: unknown, payload: unknown): string {
  const signer = SIGNERS[alg];
  if (signer === undefined) throw new Error(`No signer for ${alg}`);
  const input = `${encodePart(header)}.${encodePart(payload)}`;
  return `${input}.${signer(Buffer.from(input), key).toString("base64url")}`;
}

/** The HMAC of a symmetric algorithm, `secret` being whatever an attacker knows. */
export function hmacToken(secret: string | Uint8Array, header: unknown, payload: unknown): string {
  const input = `${encodePart(header)}.${encodePart(payload)}`;
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** A compact token with this text for a signature. */
export function encodedParts(header: unknown, payload: unknown, signature: string): string {
  return `${encodePart(header)}.${encodePart(payload)}.${signature}`;
}

/** The three parts of a compact token. */
export function partsOf(token: string): readonly [string, string, string] {
  const [header = "", payload = "", signature = ""] = token.split(".");
  return [header, payload, signature];
}

/** The same token with another signature. */
export function withSignature(token: string, signature: Uint8Array | string): string {
  const [header, payload] = partsOf(token);
  return `${header}.${payload}.${typeof signature === "string" ? signature : Buffer.from(signature).toString("base64url")}`;
}

export function signatureOf(token: string): Buffer {
  return Buffer.from(partsOf(token)[2], "base64url");
}

/** Order of the P-256 group. */
export const P256_ORDER = 0xffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551n;

/** 32 bytes, big-endian. */
export function bytes32(value: bigint): Buffer {
  return Buffer.from(value.toString(16).padStart(64, "0"), "hex");
}

export function bigintOf(bytes: Uint8Array): bigint {
  return BigInt(`0x${Buffer.from(bytes).toString("hex")}`);
}

/** An ECDSA signature in the DER form that JWS does not use (RFC 7518 §3.4 wants r and s, fixed length). */
export function derOf(signature: Buffer): Buffer {
  const half = signature.length / 2;
  const numbers = Buffer.concat([derInteger(signature.subarray(0, half)), derInteger(signature.subarray(half))]);
  return Buffer.concat([Buffer.from([0x30, numbers.length]), numbers]);
}

function derInteger(bytes: Buffer): Buffer {
  const start = bytes.findIndex((byte) => byte !== 0);
  const digits = bytes.subarray(start === -1 ? bytes.length - 1 : start);
  const positive = (digits[0] ?? 0) < 0x80 ? digits : Buffer.concat([Buffer.from([0]), digits]);
  return Buffer.concat([Buffer.from([0x02, positive.length]), positive]);
}
