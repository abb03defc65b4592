/**
 * Ways to spoil a good JWS, by name. Each gives a token that must be refused, or null where it does not apply to the algorithm.
 * Chosen after the classes of public test vectors (signature values, lengths, encodings, algorithms, keys, JSON); our own text.
 * Here: what the three tables of mutations share.
 */
import type { Random } from "#test/support/random.ts";
import { partsOf } from "./jws.ts";
import { FAMILIES, type FamilyKey } from "./jws-verifier.ts";

/** A good token, how it was made, and chance. */
export interface Sample {
  readonly key: FamilyKey;
  readonly token: string;
  readonly random: Random;
}

export type Mutation = (sample: Sample) => string | null;

/** The header of a good token, changed. */
export function headerOf(key: FamilyKey, more: object = {}): Readonly<Record<string, unknown>> {
  return { alg: key.alg, kid: key.alg, typ: "JWT", ...more };
}

/** One bit somewhere. */
export function flipped(bytes: Buffer, random: Random): Buffer {
  const copy = Buffer.from(bytes);
  const at = random.between(0, copy.length - 1);
  copy[at] = (copy[at] ?? 0) ^ (1 << random.between(0, 7));
  return copy;
}

/** Changes one of the three parts. */
export function part(index: 0 | 1 | 2, change: (text: string, sample: Sample) => string): Mutation {
  return (sample) =>
    partsOf(sample.token)
      .map((text, at) => (at === index ? change(text, sample) : text))
      .join(".");
}

export function otherThan(key: FamilyKey, random: Random): FamilyKey {
  const [first = key, ...rest] = FAMILIES.filter((other) => other !== key);
  return random.pick([first, ...rest]);
}
