/** The verifier of a worker in process, with one issuer of four keys: what the mutation and the timing rows try. No gateway. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";
import type { IssuerSettings } from "#config/identity-settings.ts";
import { type ReadKeySet, readKeySet } from "#control-plane/issuers/key-policy.ts";
import { TokenVerifier } from "#data-plane/identity/token-verifier.ts";
import { CLAIMS } from "./world.ts";
import { digestOf } from "#data-plane/identity/credentials.ts";

export type Family = "RS256" | "PS256" | "ES256" | "EdDSA";

export interface FamilyKey {
  readonly alg: Family;
  readonly privateKey: KeyObject;
  readonly publicKey: KeyObject;
}

export const FAMILIES: readonly FamilyKey[] = [
  { alg: "RS256", ...generateKeyPairSync("rsa", { modulusLength: 2048 }) },
  { alg: "PS256", ...generateKeyPairSync("rsa", { modulusLength: 2048 }) },
  { alg: "ES256", ...generateKeyPairSync("ec", { namedCurve: "P-256" }) },
  { alg: "EdDSA", ...generateKeyPairSync("ed25519") },
];

export const ALGORITHMS: readonly string[] = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
const ISSUER = "https://vectors.example";

const SETTINGS: IssuerSettings = {
  name: "vectors",
  preset: "oidc",
  issuer: ISSUER,
  jwks: { kind: "local" },
  audiences: ["api"],
  authorizedParties: [],
  tokenUse: "access",
  scopes: [],
  algorithms: ["RS256", "PS256", "ES256", "ES384", "EdDSA"],
  types: ["JWT"],
  clockSkewMs: 0,
  maxLifetimeMs: null,
  required: [],
  claims: {
    user: "sub",
    account: null,
    roles: null,
    permissions: null,
    scopes: null,
    plan: null,
    email: "email",
    name: "name",
  },
  roleSource: "token",
};

/** Reads a set of these keys as the control plane does. */
export function readKeys(...keys: readonly unknown[]): ReadKeySet {
  return readKeySet(JSON.stringify({ keys }), ALGORITHMS);
}

/** Knows the four keys under the names of their algorithms. */
export function familyVerifier(): TokenVerifier {
  const jwks = FAMILIES.map(({ alg, publicKey }) => ({
    ...publicKey.export({ format: "jwk" }),
    kid: alg,
    alg,
    use: "sig",
  }));
  return new TokenVerifier([SETTINGS], { vectors: readKeys(...jwks).keys }, () => Promise.resolve());
}

export function claimsOf(more: Readonly<Record<string, unknown>> = {}): Record<string, unknown> {
  const now = Math.floor(Date.now() / 1000);
  return { iss: ISSUER, aud: CLAIMS.aud, sub: CLAIMS.sub, iat: now, exp: now + 600, ...more };
}

/** Whether the verifier takes the token. */
export async function accepts(verifier: TokenVerifier, token: string): Promise<boolean> {
  return !("code" in (await verifier.verify(token, digestOf(token))));
}
