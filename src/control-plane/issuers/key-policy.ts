/**
 * Which keys of an issuer's set may verify tokens. Main thread, pure. Weak, private, symmetric and foreign-purpose keys are left out;
 * the workers never see them.
 */
import type { PublicKey } from "#shared/principals.ts";

type Jwk = Readonly<Record<string, unknown>>;

/** Keys read of one set; more is no key set of an issuer. */
const KEYS_MAX = 100;

/** A key that is left out, and why. */
export interface RefusedKey {
  readonly kid: string | null;
  readonly reason: string;
}

export interface ReadKeySet {
  readonly keys: readonly PublicKey[];
  readonly refused: readonly RefusedKey[];
}

/** Reads the text of a JWK set. Throws when it is none. `allowed` are the issuer's algorithms. */
export function readKeySet(text: string, allowed: readonly string[]): ReadKeySet {
  const set: unknown = JSON.parse(text);
  if (typeof set !== "object" || set === null || !("keys" in set) || !Array.isArray(set.keys))
    throw new Error("Text is no JWK set");
  if (set.keys.length > KEYS_MAX) throw new Error(`Key set has more than ${KEYS_MAX} keys`);
  const keys: PublicKey[] = [];
  const refused: RefusedKey[] = [];
  for (const jwk of set.keys) {
    const kid = isRecord(jwk) && typeof jwk.kid === "string" ? jwk.kid : null;
    const checked = isRecord(jwk) ? checkKey(jwk, allowed) : "it is no object";
    if (typeof checked === "string") refused.push({ kid, reason: checked });
    else keys.push({ kid, algorithms: checked, jwk });
  }
  return { keys, refused };
}

function isRecord(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The algorithms the key may verify, or why it may none. */
function checkKey(jwk: Jwk, allowed: readonly string[]): readonly string[] | string {
  if (Object.hasOwn(jwk, "use") && jwk.use !== "sig") return "its use is not sig";
  if (Object.hasOwn(jwk, "key_ops") && !(Array.isArray(jwk.key_ops) && jwk.key_ops.includes("verify")))
    return "its key_ops lack verify";
  if (Object.hasOwn(jwk, "d")) return "it is a private key";
  const possible = algorithmsOf(jwk);
  if (typeof possible === "string") return possible;
  const named = Object.hasOwn(jwk, "alg") ? possible.filter((alg) => alg === jwk.alg) : possible;
  const usable = named.filter((alg) => allowed.includes(alg));
  return usable.length > 0 ? usable : "the issuer's algorithms do not include its own";
}

/** RFC 7518 §3.1 and RFC 8037 §3.1: what a key of this type and curve can verify. */
function algorithmsOf(jwk: Jwk): readonly string[] | string {
  if (jwk.kty === "RSA") return rsaFault(jwk) ?? ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"];
  if (jwk.kty === "EC" && jwk.crv === "P-256") return ["ES256"];
  if (jwk.kty === "EC" && jwk.crv === "P-384") return ["ES384"];
  if (jwk.kty === "EC" && jwk.crv === "P-521") return ["ES512"];
  if (jwk.kty === "OKP" && jwk.crv === "Ed25519") return ["EdDSA", "Ed25519"];
  return "its type or curve is not supported";
}

function rsaFault(jwk: Jwk): string | null {
  const modulus = unsigned(jwk.n);
  const exponent = unsigned(jwk.e);
  if (modulus === null || exponent === null) return "its modulus or exponent is malformed";
  const bits = modulus.toString(2).length;
  if (bits < 2048) return `its modulus has ${bits} bits, 2048 are needed`;
  if (bits > 8192) return `its modulus has ${bits} bits, 8192 are enough`;
  if (exponent < 3n || exponent % 2n === 0n || exponent > 0xffffffffn) return "its exponent is unsafe";
  if (modulus % 2n === 0n) return "its modulus is even";
  return hasRocaPattern(modulus) ? "its modulus has the ROCA pattern (CVE-2017-15361)" : null;
}

function unsigned(value: unknown): bigint | null {
  if (typeof value !== "string" || !/^[A-Za-z0-9_-]+$/.test(value)) return null;
  return BigInt(`0x0${Buffer.from(value, "base64url").toString("hex")}`);
}

/** Primes modulo which a flawed modulus is always a power of 65537, while a sound one is so by chance: together about 1 in 10^20. */
const ROCA_PRIMES = [
  11, 13, 17, 19, 37, 53, 61, 71, 73, 79, 97, 103, 107, 109, 127, 151, 157,
  163, 173, 181, 191, 193, 199, 211, 223, 229, 233, 239, 241, 251, 257, 263,
]; // biome-ignore format: a list

function hasRocaPattern(modulus: bigint): boolean {
  return ROCA_PRIMES.every((prime) => powersOf65537(prime).has(Number(modulus % BigInt(prime))));
}

function powersOf65537(prime: number): ReadonlySet<number> {
  const powers = new Set<number>();
  for (let power = 1; !powers.has(power); power = (power * 65_537) % prime) powers.add(power);
  return powers;
}
