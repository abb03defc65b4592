/** Tokens signed by other keys, hashes and algorithms than they say or than may be. */
import { sign } from "node:crypto";
import { encodePart } from "#test/support/jwt.ts";
import { encodedParts, hmacToken, partsOf, signAs } from "./jws.ts";
import { headerOf, type Mutation, otherThan } from "./jws-mutations.ts";
import { strangerOf } from "./jws-strangers.ts";
import { claimsOf, type FamilyKey } from "./jws-verifier.ts";

export const KEY_MUTATIONS: Readonly<Record<string, Mutation>> = {
  "SHA-1 inside": ({ key }) => resigned(key, "sha1"),
  "SHA-512 inside": ({ key }) => resigned(key, "sha512"),
  "PSS without salt": ({ key }) =>
    key.alg === "PS256" ? resigned(key, "sha256", { padding: 6, saltLength: 0 }) : null,
  "PSS with a long salt": ({ key }) =>
    key.alg === "PS256" ? resigned(key, "sha256", { padding: 6, saltLength: 64 }) : null,
  "PKCS#1 for PSS": ({ key }) =>
    key.alg === "PS256" ? signAs("RS256", key.privateKey, headerOf(key), claimsOf()) : null,
  "PSS for PKCS#1": ({ key }) =>
    key.alg === "RS256" ? signAs("PS256", key.privateKey, headerOf(key), claimsOf()) : null,
  "alg of each other family": ({ key, random }) => {
    return signAs(key.alg, key.privateKey, { ...headerOf(key), alg: otherThan(key, random).alg }, claimsOf());
  },
  "kid of another family": ({ key, random }) => {
    return signAs(key.alg, key.privateKey, headerOf(key, { kid: otherThan(key, random).alg }), claimsOf());
  },
  "a curve that is not the key's": ({ key }) =>
    signAs("ES384", strangerOf("ES384"), headerOf(key, { alg: "ES384" }), claimsOf()),
  "a curve in disguise": ({ key }) => signAs("ES384", strangerOf("ES384"), headerOf(key), claimsOf()),
  "HMAC with the public key": ({ key }) =>
    hmacToken(key.publicKey.export({ format: "pem", type: "spki" }), { ...headerOf(key), alg: "HS256" }, claimsOf()),
  "HMAC in disguise": ({ key }) =>
    hmacToken(key.publicKey.export({ format: "der", type: "spki" }), headerOf(key), claimsOf()),
  "alg none": ({ token, key }) => `${encodePart({ ...headerOf(key), alg: "none" })}.${partsOf(token)[1]}.`,
  "alg none, signature kept": ({ token, key }) =>
    `${encodePart({ ...headerOf(key), alg: "none" })}.${partsOf(token)[1]}.${partsOf(token)[2]}`,
  "alg in another case": ({ key }) =>
    signAs(key.alg, key.privateKey, { ...headerOf(key), alg: key.alg.toLowerCase() }, claimsOf()),
  "alg missing": ({ key }) => signAs(key.alg, key.privateKey, { kid: key.alg, typ: "JWT" }, claimsOf()),
};

/** The same hash family or another one, over the right text. Ed25519 knows no hash. */
function resigned(
  key: FamilyKey,
  digest: string,
  options: { padding?: number; saltLength?: number } = {},
): string | null {
  if (key.alg === "EdDSA") return null;
  const text = encodedParts(headerOf(key), claimsOf(), "");
  const standard = key.alg === "PS256" ? { padding: 6 } : {};
  const bytes = sign(digest, Buffer.from(text.slice(0, -1)), {
    key: key.privateKey,
    dsaEncoding: "ieee-p1363",
    ...standard,
    ...options,
  });
  return text + bytes.toString("base64url");
}
