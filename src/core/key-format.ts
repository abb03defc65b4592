/**
 * The text of an API key: `{brand}_sk_{env}_{32 random}{6 checksum}`, letters and digits of base 62.
 * The checksum (CRC-32 of all before it) lets garbage be refused before any lookup and lets scanners verify a find offline.
 * Pure; how a key is stored (HMAC) is `key-hash.ts`.
 */
import { crc32 } from "node:zlib";
import { randomBase62, toBase62 } from "./ids.ts";

export const KEY_ENVIRONMENTS = ["live", "test", "dev"] as const;
export type KeyEnvironment = (typeof KEY_ENVIRONMENTS)[number];

const BODY_LENGTH = 32;
const CHECKSUM_LENGTH = 6;
const FORMAT = /^([a-z][a-z0-9]{0,15})_sk_(live|test|dev)_[0-9A-Za-z]{38}$/;

function checksum(text: string): string {
  return toBase62(crc32(text), CHECKSUM_LENGTH);
}

/** A new secret, 190 random bits. Shown once, never stored. */
export function newKey(brand: string, env: KeyEnvironment): string {
  const head = `${brand}_sk_${env}_${randomBase62(BODY_LENGTH)}`;
  return head + checksum(head);
}

/** Whether `text` can be a key of this gateway at all: brand, shape and checksum. About 1 µs, no lookup. */
export function isWellFormedKey(text: string, brand: string): boolean {
  if (!looksLikeKey(text, brand) || !FORMAT.test(text)) return false;
  const cut = text.length - CHECKSUM_LENGTH;
  return checksum(text.slice(0, cut)) === text.slice(cut);
}

/** Whether `text` claims to be a key (its brand says so), well formed or not. Tells keys from tokens in `Authorization: Bearer`. */
export function looksLikeKey(text: string, brand: string): boolean {
  return text.startsWith(`${brand}_`);
}

/** What lists show of a key: brand, kind, environment and first characters, then the last four. */
export function maskedKey(key: string): string {
  const bodyAt = key.lastIndexOf("_") + 1;
  return `${key.slice(0, bodyAt + 4)}…${key.slice(-4)}`;
}
