/**
 * The text of an API key: `{brand}_{kind}_{env}_` and `length` letters and digits of base 62, the last six of which are a checksum
 * (CRC-32 of all before it): it lets garbage be refused before any lookup, and lets scanners verify a find offline.
 * Pure; how a key is stored (HMAC) is `key-hash.ts`.
 */
import { crc32 } from "node:zlib";
import { randomBase62, toBase62 } from "./ids.ts";

export const KEY_ENVIRONMENTS = ["live", "test", "dev"] as const;
export type KeyEnvironment = (typeof KEY_ENVIRONMENTS)[number];

export interface KeyFormat {
  /** `[a-z][a-z0-9]*`, so that it ends at the first underscore. */
  readonly brand: string;
  /** `[a-z]+`. */
  readonly kind: string;
  /** Characters after the environment, checksum included; 22 without it are 130 random bits. */
  readonly length: number;
  readonly checksum: boolean;
}

/** 190 random bits. */
export const STANDARD_FORMAT: KeyFormat = Object.freeze({ brand: "tg", kind: "sk", length: 38, checksum: true });

const CHECKSUM_LENGTH = 6;

function checksum(text: string): string {
  return toBase62(crc32(text), CHECKSUM_LENGTH);
}

/** A new secret. Shown once, never stored. */
export function newKey(format: KeyFormat, env: KeyEnvironment): string {
  const prefix = `${format.brand}_${format.kind}_${env}_`;
  if (!format.checksum) return prefix + randomBase62(format.length);
  const head = prefix + randomBase62(format.length - CHECKSUM_LENGTH);
  return head + checksum(head);
}

/** Finds keys of this format in any text: a regular expression without what only some engines know. Environments it does not take too. */
export function keyPattern({ brand, kind, length }: KeyFormat): string {
  return `\\b${brand}_${kind}_(?:${KEY_ENVIRONMENTS.join("|")})_[0-9A-Za-z]{${length}}\\b`;
}

interface Reader {
  readonly pattern: RegExp;
  readonly checksum: boolean;
}

/** The formats and environments a gateway takes, made ready once. */
export class KeyFormats {
  readonly #readers: readonly Reader[];
  readonly #prefixes: readonly string[];
  readonly #environments: ReadonlySet<string>;

  constructor(formats: readonly KeyFormat[], environments: readonly KeyEnvironment[]) {
    this.#readers = formats.map(({ brand, kind, length, checksum: has }) => ({
      pattern: new RegExp(`^${brand}_${kind}_(${KEY_ENVIRONMENTS.join("|")})_[0-9A-Za-z]{${length}}$`),
      checksum: has,
    }));
    this.#prefixes = [...new Set(formats.map(({ brand }) => `${brand}_`))];
    this.#environments = new Set(environments);
  }

  /** Whether `text` says by its brand that it is a key, well formed or not. Tells keys from tokens in `Authorization: Bearer`. */
  claim(text: string): boolean {
    return this.#prefixes.some((prefix) => text.startsWith(prefix));
  }

  /** Why `text` can be no key of this gateway: its shape or checksum, or its environment; null: it can be one. About 1 µs, no lookup. */
  fault(text: string): "format" | "environment" | null {
    for (const reader of this.#readers) {
      const environment = reader.pattern.exec(text)?.[1];
      if (environment === undefined || (reader.checksum && !hasChecksum(text))) continue;
      return this.#environments.has(environment) ? null : "environment";
    }
    return "format";
  }
}

function hasChecksum(text: string): boolean {
  const cut = text.length - CHECKSUM_LENGTH;
  return checksum(text.slice(0, cut)) === text.slice(cut);
}

/** What lists show of a key: brand, kind, environment and first characters, then the last four. */
export function maskedKey(key: string): string {
  const bodyAt = key.lastIndexOf("_") + 1;
  return `${key.slice(0, bodyAt + 4)}…${key.slice(-4)}`;
}
