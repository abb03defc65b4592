/** Private keys of nobody the verifier trusts. */
import { generateKeyPairSync, type KeyObject } from "node:crypto";

const STRANGERS: Readonly<Record<string, KeyObject>> = {
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  PS256: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  EdDSA: generateKeyPairSync("ed25519").privateKey,
};

/** One that can sign by this algorithm. */
export function strangerOf(alg: string): KeyObject {
  const key = STRANGERS[alg];
  if (key === undefined) throw new Error(`No stranger for ${alg}`);
  return key;
}
