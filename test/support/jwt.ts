/**
 * Tokens made by hand with node:crypto, well-formed or not: the tests must not share a library, and so its mistakes, with
 * the gateway. Does not verify tokens; key sets are published by jwks.ts.
 */
import { createHmac, generateKeyPairSync, type JsonWebKey, type KeyObject, sign } from "node:crypto";

export type TestAlgorithm = "RS256" | "ES256" | "EdDSA";

export interface TestKey {
  readonly kid: string;
  readonly alg: TestAlgorithm;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
  /** The public key with `kid`, `alg` and `use`, as a key set lists it. */
  readonly jwk: JsonWebKey;
}

/** `undefined` in `header` or `claims` takes a default away. */
export interface TokenParts {
  /** Over `{ alg, kid, typ: "JWT" }`. */
  readonly header?: Readonly<Record<string, unknown>>;
  readonly claims?: Readonly<Record<string, unknown>>;
}

let keyCount = 0;

/** A new pair; `kid` is unique in this process unless named. RS256 takes about 100 ms. */
export function makeKey(alg: TestAlgorithm, kid = `${alg.toLowerCase()}-${++keyCount}`): TestKey {
  const { privateKey, publicKey } = makePair(alg);
  return { kid, alg, privateKey, publicKey, jwk: { ...publicKey.export({ format: "jwk" }), kid, alg, use: "sig" } };
}

function makePair(alg: TestAlgorithm): { readonly privateKey: KeyObject; readonly publicKey: KeyObject } {
  if (alg === "RS256") return generateKeyPairSync("rsa", { modulusLength: 2048 });
  if (alg === "ES256") return generateKeyPairSync("ec", { namedCurve: "P-256" });
  return generateKeyPairSync("ed25519");
}

/** A properly signed token. Claims are yours alone but for `iat` (now) and `exp` (in an hour). Times are seconds. */
export function signToken(key: TestKey, { header = {}, claims = {} }: TokenParts = {}): string {
  const now = Math.floor(Date.now() / 1000);
  return signParts(
    key,
    { alg: key.alg, kid: key.kid, typ: "JWT", ...header },
    { iat: now, exp: now + 3600, ...claims },
  );
}

/** Signs exactly this header and payload; a string is taken as the text itself, JSON or not. */
export function signParts(key: TestKey, header: unknown, payload: unknown): string {
  const input = `${encodePart(header)}.${encodePart(payload)}`;
  return `${input}.${signBytes(key, input).toString("base64url")}`;
}

/** The classic forgery: an HMAC token whose secret is the public key's PEM text. */
export function signWithPublicKeyAsSecret(key: TestKey, claims: Readonly<Record<string, unknown>>): string {
  const input = `${encodePart({ alg: "HS256", kid: key.kid, typ: "JWT" })}.${encodePart(claims)}`;
  const secret = key.publicKey.export({ format: "pem", type: "spki" });
  return `${input}.${createHmac("sha256", secret).update(input).digest("base64url")}`;
}

/** `alg: none` with an empty signature. */
export function unsignedToken(claims: Readonly<Record<string, unknown>>, alg = "none"): string {
  return `${encodePart({ alg, typ: "JWT" })}.${encodePart(claims)}.`;
}

/** The same token with other claims under the old signature. */
export function tamper(token: string, claims: Readonly<Record<string, unknown>>): string {
  const [header = "", , signature = ""] = token.split(".");
  return `${header}.${encodePart(claims)}.${signature}`;
}

export function encodePart(part: unknown): string {
  return Buffer.from(typeof part === "string" ? part : JSON.stringify(part)).toString("base64url");
}

function signBytes(key: TestKey, input: string): Buffer {
  const bytes = Buffer.from(input);
  if (key.alg === "EdDSA") return sign(null, bytes, key.privateKey);
  return sign("sha256", bytes, { key: key.privateKey, dsaEncoding: "ieee-p1363" });
}
