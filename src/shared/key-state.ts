/** Whether a key is good now. Pure; both planes ask here, so that a key is refused with the same word wherever it is shown. */
import { type Refusal, refuse } from "#core/errors.ts";
import type { KeyRecord } from "./principals.ts";

/** Why the key, as the secret that was shown makes it, is refused; null: it is good. Revoking weighs most: it is for good. */
export function keyFault(key: KeyRecord, nowMs: number): Refusal | null {
  if (key.revoked) return refuse("key_revoked", "key:revoked", "API key has been revoked");
  if (!key.enabled) return refuse("key_disabled", "key:disabled", "API key is switched off");
  if (key.expiresAtMs !== null && key.expiresAtMs <= nowMs)
    return refuse("key_expired", "key:expired", "API key has expired");
  if (key.retiresAtMs !== null && key.retiresAtMs <= nowMs)
    return refuse("key_expired", "key:retired", "This secret was replaced by a newer one of the same key");
  return null;
}

/** When the key, as the secret that was shown makes it, is over if nothing changes; milliseconds since 1970, `Infinity`: never. */
export function keyEndMs({ expiresAtMs, retiresAtMs }: KeyRecord): number {
  return Math.min(expiresAtMs ?? Infinity, retiresAtMs ?? Infinity);
}
