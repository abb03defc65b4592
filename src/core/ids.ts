/** Random ids with a type prefix. Pure but for the random source. */
import { randomBytes } from "node:crypto";

const BASE62 = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

export type IdPrefix = "acct" | "aud" | "evt" | "grant" | "inv" | "key" | "req" | "rsv" | "user";

/** `length` characters of 0-9A-Za-z, uniformly random (rejection sampling, 5.95 bits each). */
export function randomBase62(length: number): string {
  let text = "";
  while (text.length < length) {
    for (const byte of randomBytes(length)) {
      // 248 is the largest multiple of 62 in a byte: bytes beyond it would favour the first letters.
      if (byte < 248 && text.length < length) text += BASE62.charAt(byte % 62);
    }
  }
  return text;
}

/** A new id such as `acct_4fGh…`, 22 random characters (130 bits). */
export function newId(prefix: IdPrefix): string {
  return `${prefix}_${randomBase62(22)}`;
}

/** `value` in base 62 with exactly `width` characters, leading zeros kept. `value` is an integer from 0. */
export function toBase62(value: number, width: number): string {
  let rest = value;
  let text = "";
  for (let i = 0; i < width; i++) {
    text = BASE62.charAt(rest % 62) + text;
    rest = Math.floor(rest / 62);
  }
  return text;
}
