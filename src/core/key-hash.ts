/** How an API key is kept: HMAC-SHA-256 under the pepper, so that a stolen database confirms and forges nothing. Pure. */
import { createHmac } from "node:crypto";

/** 43 characters of base64url. 4.7 µs: done at first sight of a key, then cached. */
export function keyHash(key: string, pepper: Uint8Array): string {
  return createHmac("sha256", pepper).update(key).digest("base64url");
}
