/**
 * A secret as it is kept: `v1.KEYID.IV.CIPHER.TAG`, AES-256-GCM, parts in base64url. Main thread, pure. The text is bound to its place
 * in the store: what somebody copies to another row or column does not open there. Not here: which keys there are (`sealing-keys.ts`).
 */
import { createCipheriv, createDecipheriv, createHash, randomBytes } from "node:crypto";

export const KEY_BYTES = 32;
const VERSION = "v1";
/** Recommended for GCM (NIST SP 800-38D §8.2.2); random ones are good for 2^32 values a key. */
const IV_BYTES = 12;
const ALGORITHM = "aes-256-gcm";
/** Of an id, in hexadecimal. */
const ID_LENGTH = 12;

export interface SealingKey {
  /** Says nothing of the key. */
  readonly id: string;
  readonly bytes: Uint8Array;
}

/** Where a value is kept: table, column and what tells its row. */
export type Place = readonly [table: string, column: string, ...row: string[]];

/** `bytes` are `KEY_BYTES` random ones. */
export function sealingKeyOf(bytes: Uint8Array): SealingKey {
  const digest = createHash("sha256").update("tollgate sealing key\0").update(bytes).digest("hex");
  return { id: digest.slice(0, ID_LENGTH), bytes };
}

export function newSealingKey(): SealingKey {
  return sealingKeyOf(randomBytes(KEY_BYTES));
}

export function seal(text: string, place: Place, key: SealingKey): string {
  const iv = randomBytes(IV_BYTES);
  const cipher = createCipheriv(ALGORITHM, key.bytes, iv).setAAD(boundTo(place, key.id));
  const sealed = Buffer.concat([cipher.update(text, "utf8"), cipher.final()]);
  return [VERSION, key.id, ...[iv, sealed, cipher.getAuthTag()].map((part) => part.toString("base64url"))].join(".");
}

/** null: it was not sealed with this key for this place, or is not what was sealed. */
export function openWith(sealed: string, place: Place, key: SealingKey): string | null {
  const [version, id, ...parts] = sealed.split(".");
  const [iv, text, tag] = parts.map((part) => Buffer.from(part, "base64url"));
  if (version !== VERSION || id !== key.id || parts.length !== 3) return null;
  if (iv?.length !== IV_BYTES || text === undefined || tag?.length !== 16) return null;
  try {
    const decipher = createDecipheriv(ALGORITHM, key.bytes, iv).setAAD(boundTo(place, id)).setAuthTag(tag);
    return Buffer.concat([decipher.update(text), decipher.final()]).toString("utf8");
  } catch {
    return null;
  }
}

/** The key a value was sealed with; null: it is no sealed value. */
export function keyIdOf(sealed: string): string | null {
  return /^v1\.([0-9a-f]{12})\./.exec(sealed)?.[1] ?? null;
}

function boundTo(place: Place, keyId: string): Uint8Array {
  return Buffer.from(JSON.stringify([VERSION, keyId, ...place]));
}
