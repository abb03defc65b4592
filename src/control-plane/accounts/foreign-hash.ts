/**
 * Hashes of secrets that other systems made: read, bounded, compared. Main thread; bcrypt and scrypt run on node's thread pool. Bounds keep
 * one comparison below a second or so, and below 64 MiB.
 */
import { createHash, scrypt as deriveScrypt, timingSafeEqual } from "node:crypto";
import { promisify } from "node:util";

export const HASH_KINDS = ["sha256", "bcrypt", "scrypt"] as const;
export type HashKind = (typeof HASH_KINDS)[number];

/** bcrypt looks at no more: two secrets with the same beginning would be one. */
const BCRYPT_BYTES_MAX = 72;
const BCRYPT_COST_MAX = 14;
const SCRYPT_BYTES_MAX = 64 * 1024 * 1024;
const SCRYPT_P_MAX = 4;

const BCRYPT = /^\$2[aby]\$(\d\d)\$[./A-Za-z0-9]{53}$/;
/** As PHC strings have it; parts in base64 without padding. */
const SCRYPT = /^\$scrypt\$ln=(\d{1,2}),r=(\d{1,2}),p=(\d{1,2})\$([A-Za-z0-9+/]{11,86})\$([A-Za-z0-9+/]{22,86})$/;

const scrypt = promisify<string, Uint8Array, number, object, Buffer>(deriveScrypt);

/** The digest as it is stored, in one spelling. */
export function readDigest(kind: HashKind, digest: string): { readonly digest: string } | { readonly fault: string } {
  if (kind === "sha256") return readSha256(digest);
  return kind === "bcrypt" ? readBcrypt(digest) : readScrypt(digest);
}

function readSha256(text: string) {
  if (/^[0-9A-Fa-f]{64}$/.test(text)) return { digest: text.toLowerCase() };
  if (/^[A-Za-z0-9+/_-]{43}=?$/.test(text)) return { digest: Buffer.from(text, "base64").toString("hex") };
  return { fault: "Expected a SHA-256 digest as 64 hexadecimal digits or as base64" };
}

function readBcrypt(text: string) {
  const cost = Number(BCRYPT.exec(text)?.[1] ?? Number.NaN);
  if (Number.isNaN(cost)) return { fault: "Expected a bcrypt hash such as $2b$10$…, 60 characters" };
  if (cost < 4 || cost > BCRYPT_COST_MAX)
    return { fault: `Expected a bcrypt cost from 4 to ${BCRYPT_COST_MAX}, got ${cost}` };
  // What PHP and others write as 2y is what is 2b elsewhere.
  return { digest: text.replace(/^\$2y/, "$2b") };
}

function readScrypt(text: string) {
  const [, ln, r, p] = SCRYPT.exec(text) ?? [];
  if (ln === undefined) return { fault: "Expected a scrypt hash such as $scrypt$ln=15,r=8,p=1$SALT$HASH" };
  const bytes = 128 * 2 ** Number(ln) * Number(r);
  if (Number(ln) < 1 || Number(r) < 1 || Number(p) < 1 || bytes > SCRYPT_BYTES_MAX || Number(p) > SCRYPT_P_MAX)
    return { fault: `Expected scrypt with ln, r and p from 1, at most 64 MiB and p of at most ${SCRYPT_P_MAX}` };
  return { digest: text };
}

/** Whether the secret has the digest; `kind` is no fast one. */
export async function hasDigest(secret: string, kind: Exclude<HashKind, "sha256">, digest: string): Promise<boolean> {
  if (kind === "scrypt") return hasScrypt(secret, digest);
  if (Buffer.byteLength(secret) > BCRYPT_BYTES_MAX) return false;
  // Loaded when it is needed: few gateways have imported keys.
  const { compare } = (await import("bcrypt")).default;
  return compare(secret, digest);
}

async function hasScrypt(secret: string, digest: string): Promise<boolean> {
  const [, ln, r, p, salt = "", hash = ""] = SCRYPT.exec(digest) ?? [];
  const wanted = Buffer.from(hash, "base64");
  const options = { N: 2 ** Number(ln), r: Number(r), p: Number(p), maxmem: 2 * SCRYPT_BYTES_MAX };
  const found = await scrypt(secret, Buffer.from(salt, "base64"), wanted.length, options);
  return timingSafeEqual(found, wanted);
}

/** What is kept of the digest of a key that has a hash of our own since. */
export function adoptedDigest(digest: string): string {
  return createHash("sha256").update(digest).digest("hex");
}
