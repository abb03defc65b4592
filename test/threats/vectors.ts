/**
 * H22: nothing invalid is accepted. This is NOT Project Wycheproof: its vectors are not part of this project and could not be
 * fetched. It is a set of our own after the same classes (signature values and lengths, encodings, algorithms, key confusion,
 * JSON, weak and foreign keys), made by a seeded generator and tried on the verifier and the key policy in process.
 * Running the real vectors besides is still worth doing. The seed chooses the mutations; keys are new in every run, so a
 * failure prints its token.
 */
import { expect } from "vitest";
import { readKeySet } from "#control-plane/issuers/key-policy.ts";
import { randomOf } from "#test/support/random.ts";
import { BAD_KEYS, GOOD_KEYS, POINTLESS_KEYS } from "./jws-bad-keys.ts";
import { bigintOf, bytes32, P256_ORDER, signAs, signatureOf, withSignature } from "./jws.ts";
import { KEY_MUTATIONS } from "./jws-keys.ts";
import { headerOf } from "./jws-mutations.ts";
import { SIGNATURE_MUTATIONS } from "./jws-signatures.ts";
import { TEXT_MUTATIONS } from "./jws-texts.ts";
import { accepts, ALGORITHMS, claimsOf, FAMILIES, familyVerifier, readKeys } from "./jws-verifier.ts";
import type { LoneRow } from "./runner.ts";

const SEED = Number(process.env.TOLLGATE_SEED ?? 20_261_101);
const ROUNDS = 4;

export const VECTORS: readonly LoneRow[] = [
  {
    id: "H22",
    class: "jwt",
    name: `no spoiled token of four algorithms is accepted, and every good one is (TOLLGATE_SEED=${SEED})`,
    proof: spoiledTokens,
  },
  {
    id: "H22",
    class: "jwt",
    name: "an RSA signature that begins with a zero is refused without it: its length is part of it (RFC 8017 §8.1.2)",
    proof: leadingZeros,
  },
  {
    id: "H22",
    class: "jwt",
    name: "no bad JWK is let through, good ones are, and one bad key does not spoil a set",
    proof: badKeys,
  },
  {
    id: "H22",
    class: "jwt",
    name: "keys whose point is on no curve verify nothing and break nothing",
    proof: pointlessKeys,
  },
];

async function spoiledTokens(): Promise<void> {
  const random = randomOf(SEED);
  const verifier = familyVerifier();
  const accepted: string[] = [];
  const refused: string[] = [];
  let invalid = 0;
  for (const key of FAMILIES) {
    for (let round = 0; round < ROUNDS; round++) {
      const claims = claimsOf({ jti: String(random.next()), note: "x".repeat(random.between(0, 200)) });
      const token = signAs(key.alg, key.privateKey, headerOf(key), claims);
      for (const [name, mutate] of Object.entries({ ...SIGNATURE_MUTATIONS, ...KEY_MUTATIONS, ...TEXT_MUTATIONS })) {
        const spoiled = mutate({ key, token, random });
        if (spoiled === null) continue;
        expect(spoiled, `${key.alg} ${name} changes something`).not.toBe(token);
        invalid++;
        if (await accepts(verifier, spoiled)) accepted.push(`${key.alg} ${name}: ${spoiled}`);
      }
      for (const good of controls(key.alg, token))
        if (!(await accepts(verifier, good))) refused.push(`${key.alg} ${round}`);
    }
  }
  expect(accepted, "invalid tokens accepted").toEqual([]);
  expect(refused, "valid tokens refused").toEqual([]);
  expect(invalid).toBeGreaterThanOrEqual(400);
}

/** One signature in 256 begins so; OpenSSL lets the short form of PSS pass, and the mutations found it by luck. */
async function leadingZeros(): Promise<void> {
  const verifier = familyVerifier();
  for (const key of FAMILIES.filter(({ alg }) => alg === "RS256" || alg === "PS256")) {
    for (let attempt = 0, found = false; !found; attempt++) {
      const token = signAs(key.alg, key.privateKey, headerOf(key), claimsOf({ jti: String(attempt) }));
      const signature = signatureOf(token);
      if (signature[0] !== 0) continue;
      found = true;
      expect(await accepts(verifier, token), `${key.alg} whole`).toBe(true);
      expect(await accepts(verifier, withSignature(token, signature.subarray(1))), `${key.alg} cut`).toBe(false);
    }
  }
}

/** The token itself, and for ECDSA its twin with the other root, which JWS does not forbid. */
function controls(alg: string, token: string): readonly string[] {
  if (alg !== "ES256") return [token];
  const signature = signatureOf(token);
  const twin = bytes32(P256_ORDER - bigintOf(signature.subarray(32)));
  return [token, withSignature(token, Buffer.concat([signature.subarray(0, 32), twin]))];
}

function badKeys(): void {
  const bad = Object.entries(BAD_KEYS);
  expect(bad.length).toBeGreaterThanOrEqual(26);
  const taken = bad.filter(([, jwk]) => readKeys(jwk).keys.length > 0).map(([name]) => name);
  expect(taken).toEqual([]);
  expect(readKeys(...GOOD_KEYS, ...bad.map(([, jwk]) => jwk)).keys.length).toBe(GOOD_KEYS.length);
  for (const text of ["", "[]", "null", '{"keys":{}}', '{"keys":null}', "{}"])
    expect(() => readKeySet(text, ALGORITHMS), `key set ${text}`).toThrow(/no JWK set|JSON/);
}

async function pointlessKeys(): Promise<void> {
  const verifier = familyVerifier();
  for (const [name, jwk] of Object.entries(POINTLESS_KEYS)) {
    const ec = FAMILIES.find(({ alg }) => alg === "ES256");
    if (ec === undefined) throw new Error("No ES256 key");
    const good = ec.publicKey.export({ format: "jwk" });
    verifier.replaceKeySet("vectors", readKeys({ ...jwk, kid: "same" }, { ...good, kid: "same", alg: "ES256" }).keys);
    const token = signAs("ES256", ec.privateKey, { alg: "ES256", kid: "same", typ: "JWT" }, claimsOf({ jti: name }));
    expect(await accepts(verifier, token), `${name}, beside a good key`).toBe(true);
    verifier.replaceKeySet("vectors", readKeys({ ...jwk, kid: "same" }).keys);
    expect(await accepts(verifier, token), `${name}, alone`).toBe(false);
  }
}
