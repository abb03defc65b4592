/** Spoiled signatures: other values, lengths, forms and ranges. */
import { bigintOf, bytes32, derOf, P256_ORDER, partsOf, signAs, signatureOf, withSignature } from "./jws.ts";
import { flipped, headerOf, type Mutation, type Sample } from "./jws-mutations.ts";
import { strangerOf } from "./jws-strangers.ts";
import { claimsOf, type FamilyKey } from "./jws-verifier.ts";

/** Order of the Ed25519 group. */
const ED_ORDER = 2n ** 252n + 27742317777372353535851937790883648493n;

const sized = (length: number, byte: number) => Buffer.alloc(length, byte);

/** Changes r and s of an ECDSA signature. */
function ofCurve(change: (r: Buffer, s: Buffer) => Uint8Array): Mutation {
  return ({ key, token }) => {
    const signature = signatureOf(token);
    return key.alg === "ES256" ? withSignature(token, change(signature.subarray(0, 32), signature.subarray(32))) : null;
  };
}

function signed(change: (signature: Buffer, sample: Sample) => Uint8Array): Mutation {
  return (sample) => withSignature(sample.token, change(signatureOf(sample.token), sample));
}

export const SIGNATURE_MUTATIONS: Readonly<Record<string, Mutation>> = {
  "a bit flipped": signed((bytes, { random }) => flipped(bytes, random)),
  "another bit flipped": signed((bytes, { random }) => flipped(bytes, random)),
  "cut by one byte": signed((bytes) => bytes.subarray(0, -1)),
  "cut at the front": signed((bytes) => bytes.subarray(1)),
  "cut in half": signed((bytes) => bytes.subarray(0, bytes.length / 2)),
  "cut anywhere": signed((bytes, { random }) => bytes.subarray(0, random.between(1, bytes.length - 1))),
  "a zero behind": signed((bytes) => Buffer.concat([bytes, sized(1, 0)])),
  "a zero before": signed((bytes) => Buffer.concat([sized(1, 0), bytes])),
  twice: signed((bytes) => Buffer.concat([bytes, bytes])),
  reversed: signed((bytes) => Buffer.from(bytes).reverse()),
  "halves swapped": signed((bytes) =>
    Buffer.concat([bytes.subarray(bytes.length / 2), bytes.subarray(0, bytes.length / 2)]),
  ),
  "all zeros": signed((bytes) => sized(bytes.length, 0)),
  "all ones": signed((bytes) => sized(bytes.length, 0xff)),
  "the number one": signed((bytes) => Buffer.concat([sized(bytes.length - 1, 0), sized(1, 1)])),
  "random bytes": signed((bytes, { random }) => Buffer.from(Array.from(bytes, () => random.between(0, 255)))),
  empty: ({ token }) => withSignature(token, ""),
  "of another token": ({ key, token }) =>
    withSignature(token, signatureOf(signAs(key.alg, key.privateKey, headerOf(key), claimsOf({ jti: "other" })))),
  "by a stranger's key": ({ key }) => signAs(key.alg, strangerOf(key.alg), headerOf(key), claimsOf()),
  "of the payload alone": ({ key, token }) =>
    withSignature(token, signAs(key.alg, key.privateKey, {}, partsOf(token)[1]).split(".")[2] ?? ""),
  "plus the modulus or order": ({ key, token }) => plusOrder(key, token),
  "in DER": ofCurve((r, s) => derOf(Buffer.concat([r, s]))),
  "r = 0": ofCurve((_, s) => Buffer.concat([sized(32, 0), s])),
  "s = 0": ofCurve((r) => Buffer.concat([r, sized(32, 0)])),
  "r = n": ofCurve((_, s) => Buffer.concat([bytes32(P256_ORDER), s])),
  "s = n": ofCurve((r) => Buffer.concat([r, bytes32(P256_ORDER)])),
  "r = n - 1, s = 1": ofCurve(() => Buffer.concat([bytes32(P256_ORDER - 1n), bytes32(1n)])),
  "r negated": ofCurve((r, s) => Buffer.concat([bytes32(P256_ORDER - bigintOf(r)), s])),
  "r and s as 33 bytes": ofCurve((r, s) => Buffer.concat([sized(1, 0), r, sized(1, 0), s])),
};

/** The same value modulo the group: two texts for one signature, where a verifier does not check the range. */
function plusOrder(key: FamilyKey, token: string): string | null {
  const signature = signatureOf(token);
  if (key.alg === "EdDSA") {
    const s = bigintOf(Buffer.from(signature.subarray(32)).reverse()) + ED_ORDER;
    return withSignature(token, Buffer.concat([signature.subarray(0, 32), bytes32(s).reverse()]));
  }
  if (key.alg === "ES256") return null;
  const modulus = BigInt(
    `0x${Buffer.from(String(key.publicKey.export({ format: "jwk" }).n), "base64url").toString("hex")}`,
  );
  const sum = (bigintOf(signature) + modulus).toString(16).padStart(512, "0");
  return withSignature(token, Buffer.from(sum.length % 2 === 0 ? sum : `0${sum}`, "hex"));
}
