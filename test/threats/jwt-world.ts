/** The issuer of the token rows: one good key of each kind, and keys that a careful gateway must not use. */
import { makeKey, type TestKey } from "#test/support/jwt.ts";
import { CLAIMS } from "./world.ts";
import { signAs } from "./jws.ts";

/** First in the set: it signs what is good. */
export const EC_KEY = makeKey("ES256", "ec");
export const RSA_KEY = makeKey("RS256", "rsa");
export const ED_KEY = makeKey("EdDSA", "ed");
/** RSA without `alg`, as several large issuers publish theirs. */
export const BARE_KEY = changed(makeKey("RS256", "bare"), { alg: undefined });
export const ENCRYPTION_KEY = changed(makeKey("ES256", "enc"), { use: "enc" });
export const WRAPPING_KEY = changed(makeKey("ES256", "wrap"), { use: undefined, key_ops: ["wrapKey", "encrypt"] });
export const SIGNING_OPS_KEY = changed(makeKey("ES256", "sign-only"), { use: undefined, key_ops: ["sign"] });

export const JWT_KEYS: readonly TestKey[] = [
  EC_KEY,
  RSA_KEY,
  ED_KEY,
  BARE_KEY,
  ENCRYPTION_KEY,
  WRAPPING_KEY,
  SIGNING_OPS_KEY,
];

function changed(key: TestKey, jwk: Readonly<Record<string, unknown>>): TestKey {
  return { ...key, jwk: { ...key.jwk, ...jwk } };
}

/** Claims that pass, for tokens put together by hand. */
export function goodClaims(issuer: string, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  return { iss: issuer, ...CLAIMS, iat: now, exp: now + 600, ...more };
}

export function goodHeader(key: TestKey, more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  return { alg: key.alg, kid: key.kid, typ: "JWT", ...more };
}

/** A token of `key` whose header is signed as it stands, odd parameters and all. */
export function tokenWithHeader(key: TestKey, issuer: string, header: Readonly<Record<string, unknown>>): string {
  return signAs(key.alg, key.privateKey, goodHeader(key, header), goodClaims(issuer));
}
