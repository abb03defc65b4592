/**
 * Ways to spoil a good JWS, by name. Each gives a token that must be refused, or null where it does not apply to the algorithm.
 * Chosen after the classes of public test vectors (signature values, lengths, encodings, algorithms, keys, JSON); our own text.
 */
import { generateKeyPairSync, type KeyObject, sign } from "node:crypto";
import { encodePart } from "#test/support/jwt.ts";
import type { Random } from "#test/support/random.ts";
import { bigintOf, bytes32, derOf, encodedParts, hmacToken, P256_ORDER, partsOf, signAs, signatureOf, withSignature } from "./jws.ts";
import { claimsOf, FAMILIES, type FamilyKey } from "./jws-verifier.ts";

/** A good token, how it was made, and chance. */
export interface Sample {
  readonly key: FamilyKey;
  readonly token: string;
  readonly random: Random;
}

export type Mutation = (sample: Sample) => string | null;

const STRANGERS: Readonly<Record<string, KeyObject>> = {
  RS256: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  PS256: generateKeyPairSync("rsa", { modulusLength: 2048 }).privateKey,
  ES256: generateKeyPairSync("ec", { namedCurve: "P-256" }).privateKey,
  ES384: generateKeyPairSync("ec", { namedCurve: "P-384" }).privateKey,
  EdDSA: generateKeyPairSync("ed25519").privateKey,
};
/** Order of the Ed25519 group. */
const ED_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const header = (key: FamilyKey, more: object = {}) => ({ alg: key.alg, kid: key.alg, typ: "JWT", ...more });
const sized = (length: number, byte: number) => Buffer.alloc(length, byte);
const stranger = (alg: string): KeyObject => {
  const key = STRANGERS[alg];
  if (key === undefined) throw new Error(`No stranger for ${alg}`);
  return key;
};
const ofCurve = (change: (r: Buffer, s: Buffer) => Uint8Array): Mutation => ({ key, token }) => {
  const signature = signatureOf(token);
  return key.alg === "ES256" ? withSignature(token, change(signature.subarray(0, 32), signature.subarray(32))) : null;
}; // biome-ignore format: a curried pair
const signed = (change: (signature: Buffer, sample: Sample) => Uint8Array): Mutation => (sample) =>
  withSignature(sample.token, change(signatureOf(sample.token), sample));
const flipped = (bytes: Buffer, random: Random): Buffer => {
  const copy = Buffer.from(bytes);
  const at = random.between(0, copy.length - 1);
  copy[at] = (copy[at] ?? 0) ^ (1 << random.between(0, 7));
  return copy;
};
const part = (index: 0 | 1 | 2, change: (text: string, sample: Sample) => string): Mutation => (sample) =>
  partsOf(sample.token).map((text, at) => (at === index ? change(text, sample) : text)).join("."); // biome-ignore format: as one

export const SIGNATURE_MUTATIONS: Readonly<Record<string, Mutation>> = {
  "a bit flipped": signed((bytes, { random }) => flipped(bytes, random)),
  "another bit flipped": signed((bytes, { random }) => flipped(bytes, random)),
  "cut by one byte": signed((bytes) => bytes.subarray(0, -1)),
  "cut at the front": signed((bytes) => bytes.subarray(1)),
  "cut in half": signed((bytes) => bytes.subarray(0, bytes.length / 2)),
  "cut anywhere": signed((bytes, { random }) => bytes.subarray(0, random.between(1, bytes.length - 1))),
  "a zero behind": signed((bytes) => Buffer.concat([bytes, sized(1, 0)])),
  "a zero before": signed((bytes) => Buffer.concat([sized(1, 0), bytes])),
  "twice": signed((bytes) => Buffer.concat([bytes, bytes])),
  "reversed": signed((bytes) => Buffer.from(bytes).reverse()),
  "halves swapped": signed((bytes) => Buffer.concat([bytes.subarray(bytes.length / 2), bytes.subarray(0, bytes.length / 2)])),
  "all zeros": signed((bytes) => sized(bytes.length, 0)),
  "all ones": signed((bytes) => sized(bytes.length, 0xff)),
  "the number one": signed((bytes) => Buffer.concat([sized(bytes.length - 1, 0), sized(1, 1)])),
  "random bytes": signed((bytes, { random }) => Buffer.from(Array.from(bytes, () => random.between(0, 255)))),
  "empty": ({ token }) => withSignature(token, ""),
  "of another token": ({ key, token }) =>
    withSignature(token, signatureOf(signAs(key.alg, key.privateKey, header(key), claimsOf({ jti: "other" })))),
  "by a stranger's key": ({ key }) => signAs(key.alg, stranger(key.alg), header(key), claimsOf()),
  "of the payload alone": ({ key, token }) => withSignature(token, signAs(key.alg, key.privateKey, {}, partsOf(token)[1]).split(".")[2] ?? ""),
  "plus the modulus or order": ({ key, token }) => plusOrder(key, token),
  "in DER": ofCurve((r, s) => derOf(Buffer.concat([r, s]))),
  "r = 0": ofCurve((_, s) => Buffer.concat([sized(32, 0), s])),
  "s = 0": ofCurve((r) => Buffer.concat([r, sized(32, 0)])),
  "r = n": ofCurve((_, s) => Buffer.concat([bytes32(P256_ORDER), s])),
  "s = n": ofCurve((r) => Buffer.concat([r, bytes32(P256_ORDER)])),
  "r = n - 1, s = 1": ofCurve(() => Buffer.concat([bytes32(P256_ORDER - 1n), bytes32(1n)])),
  "r negated": ofCurve((r, s) => Buffer.concat([bytes32(P256_ORDER - bigintOf(r)), s])),
  "r and s as 33 bytes": ofCurve((r, s) => Buffer.concat([sized(1, 0), r, sized(1, 0), s])),
}; // biome-ignore format: a table

export const KEY_MUTATIONS: Readonly<Record<string, Mutation>> = {
  "SHA-1 inside": ({ key }) => resigned(key, "sha1"),
  "SHA-512 inside": ({ key }) => resigned(key, "sha512"),
  "PSS without salt": ({ key }) => key.alg === "PS256" ? resigned(key, "sha256", { padding: 6, saltLength: 0 }) : null,
  "PSS with a long salt": ({ key }) => key.alg === "PS256" ? resigned(key, "sha256", { padding: 6, saltLength: 64 }) : null,
  "PKCS#1 for PSS": ({ key }) => (key.alg === "PS256" ? signAs("RS256", key.privateKey, header(key), claimsOf()) : null),
  "PSS for PKCS#1": ({ key }) => (key.alg === "RS256" ? signAs("PS256", key.privateKey, header(key), claimsOf()) : null),
  "alg of each other family": ({ key, random }) => {
    const other = random.pick([FAMILIES[0], FAMILIES[1], FAMILIES[2], FAMILIES[3]].filter(isOther(key)) as [FamilyKey, ...FamilyKey[]]);
    return signAs(key.alg, key.privateKey, { ...header(key), alg: other.alg }, claimsOf());
  },
  "kid of another family": ({ key, random }) => {
    const other = random.pick(FAMILIES.filter(isOther(key)) as [FamilyKey, ...FamilyKey[]]);
    return signAs(key.alg, key.privateKey, header(key, { kid: other.alg }), claimsOf());
  },
  "a curve that is not the key's": ({ key }) => signAs("ES384", stranger("ES384"), header(key, { alg: "ES384" }), claimsOf()),
  "a curve in disguise": ({ key }) => signAs("ES384", stranger("ES384"), header(key), claimsOf()),
  "HMAC with the public key": ({ key }) => hmacToken(key.publicKey.export({ format: "pem", type: "spki" }), { ...header(key), alg: "HS256" }, claimsOf()),
  "HMAC in disguise": ({ key }) => hmacToken(key.publicKey.export({ format: "der", type: "spki" }), header(key), claimsOf()),
  "alg none": ({ token, key }) => `${encodePart({ ...header(key), alg: "none" })}.${partsOf(token)[1]}.`,
  "alg none, signature kept": ({ token, key }) => `${encodePart({ ...header(key), alg: "none" })}.${partsOf(token)[1]}.${partsOf(token)[2]}`,
  "alg in another case": ({ key }) => signAs(key.alg, key.privateKey, { ...header(key), alg: key.alg.toLowerCase() }, claimsOf()),
  "alg missing": ({ key }) => signAs(key.alg, key.privateKey, { kid: key.alg, typ: "JWT" }, claimsOf()),
}; // biome-ignore format: a table

export const TEXT_MUTATIONS: Readonly<Record<string, Mutation>> = {
  "payload bit flipped": part(1, (text, { random }) => flipped(Buffer.from(text, "base64url"), random).toString("base64url")),
  "header bit flipped": part(0, (text, { random }) => flipped(Buffer.from(text, "base64url"), random).toString("base64url")),
  "payload replaced": part(1, () => encodePart(claimsOf({ sub: "root" }))),
  "header in another order": part(0, (_, { key }) => encodePart({ typ: "JWT", kid: key.alg, alg: key.alg })),
  "header with a blank": part(0, (text) => encodePart(Buffer.from(text, "base64url").toString().replace("{", "{ "))),
  "header and payload swapped": ({ token }) => `${partsOf(token)[1]}.${partsOf(token)[0]}.${partsOf(token)[2]}`,
  "payload and signature swapped": ({ token }) => `${partsOf(token)[0]}.${partsOf(token)[2]}.${partsOf(token)[1]}`,
  "a part missing": ({ token }) => token.slice(0, token.lastIndexOf(".")),
  "a part more": ({ token }) => `${token}.${partsOf(token)[2]}`,
  "a dot more": ({ token }) => `${token}.`,
  "padded header": part(0, (text) => `${text}=`),
  "padded payload": part(1, (text) => `${text}=`),
  "padded signature": part(2, (text) => `${text}==`),
  "a line end": ({ token }) => `${token}\n`,
  "a blank before": ({ token }) => ` ${token}`,
  "a character outside the alphabet": part(2, (text, { random }) => insert(text, "*", random)),
  "a blank inside": part(1, (text, { random }) => insert(text, " ", random)),
  "a NUL inside": part(0, (text, { random }) => insert(text, "\0", random)),
  "standard alphabet": part(2, (text) => `${text.replaceAll("-", "+").replaceAll("_", "/")}+/`),
  "spare bits set": part(2, (text, { key }) => text.slice(0, -1) + spare(text.at(-1) ?? "", key)),
  "sub twice": ({ key }) => signAs(key.alg, key.privateKey, header(key), `${JSON.stringify(claimsOf()).slice(0, -1)},"sub":"root"}`),
  "alg twice": ({ key }) => signAs(key.alg, key.privateKey, `{"alg":"none",${JSON.stringify(header(key)).slice(1)}`, claimsOf()),
  "payload is a list": ({ key }) => signAs(key.alg, key.privateKey, header(key), [claimsOf()]),
  "payload is text": ({ key }) => signAs(key.alg, key.privateKey, header(key), '"text"'),
  "payload is no JSON": ({ key }) => signAs(key.alg, key.privateKey, header(key), `${JSON.stringify(claimsOf())}x`),
  "header is null": ({ key }) => signAs(key.alg, key.privateKey, "null", claimsOf()),
  "crit": ({ key }) => signAs(key.alg, key.privateKey, header(key, { crit: ["exp"], exp: 1 }), claimsOf()),
  "b64 false": ({ key }) => signAs(key.alg, key.privateKey, header(key, { b64: false, crit: ["b64"] }), claimsOf()),
  "flattened JSON": ({ token }) => JSON.stringify({ protected: partsOf(token)[0], payload: partsOf(token)[1], signature: partsOf(token)[2] }),
  "expired": ({ key }) => signAs(key.alg, key.privateKey, header(key), claimsOf({ exp: 1 })),
  "for another audience": ({ key }) => signAs(key.alg, key.privateKey, header(key), claimsOf({ aud: "apis" })),
  "nothing signed": ({ key }) => encodedParts(header(key), claimsOf(), "AA"),
}; // biome-ignore format: a table

const isOther = (key: FamilyKey) => (other: FamilyKey | undefined): other is FamilyKey => other !== undefined && other !== key;

function insert(text: string, character: string, random: Random): string {
  const at = random.between(1, text.length - 1);
  return text.slice(0, at) + character + text.slice(at);
}

/** The last letter with its unused bits set: two for 64 bytes, four for 256. */
function spare(letter: string, key: FamilyKey): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const bits = signatureLength(key) % 3 === 1 ? 4 : 2;
  return alphabet[alphabet.indexOf(letter) | (2 ** bits - 1)] ?? "_";
}

function signatureLength(key: FamilyKey): number {
  return key.alg === "RS256" || key.alg === "PS256" ? 256 : 64;
}

/** The same hash family or another one, over the right text. Ed25519 knows no hash. */
function resigned(key: FamilyKey, digest: string, options: { padding?: number; saltLength?: number } = {}): string | null {
  if (key.alg === "EdDSA") return null;
  const text = encodedParts(header(key), claimsOf(), "");
  const standard = key.alg === "PS256" ? { padding: 6 } : {};
  const bytes = sign(digest, Buffer.from(text.slice(0, -1)), { key: key.privateKey, dsaEncoding: "ieee-p1363", ...standard, ...options });
  return text + bytes.toString("base64url");
}

/** The same value modulo the group: two texts for one signature, where a verifier does not check the range. */
function plusOrder(key: FamilyKey, token: string): string | null {
  const signature = signatureOf(token);
  if (key.alg === "EdDSA") {
    const s = bigintOf(Buffer.from(signature.subarray(32)).reverse()) + ED_ORDER;
    return withSignature(token, Buffer.concat([signature.subarray(0, 32), bytes32(s).reverse()]));
  }
  if (key.alg === "ES256") return null;
  const modulus = BigInt(`0x${Buffer.from(String(key.publicKey.export({ format: "jwk" }).n), "base64url").toString("hex")}`);
  const sum = (bigintOf(signature) + modulus).toString(16).padStart(512, "0");
  return withSignature(token, Buffer.from(sum.length % 2 === 0 ? sum : `0${sum}`, "hex"));
}
