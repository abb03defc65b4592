/**
 * Who is at the other end of a connection: what is the same for all its requests, worked out once. Worker thread.
 * Not here: whom a trusted proxy speaks for, which each request says anew (`upstream/forwarded-headers.ts`).
 */
import type { BlockList } from "node:net";
import { canonicalAddress, isInSet } from "#core/addresses.ts";

export class Peer {
  /** Canonical where it is an IP address. */
  readonly address: string;
  readonly encrypted: boolean;
  #asked: BlockList | null = null;
  #trusted = false;

  /** `address` as the socket names it. */
  constructor(address: string, encrypted: boolean) {
    this.address = canonicalAddress(address) ?? address;
    this.encrypted = encrypted;
  }

  /** Whether it is one of the proxies whose word on the client is taken. Remembered for the set asked last. */
  isIn(proxies: BlockList): boolean {
    if (this.#asked !== proxies) {
      this.#asked = proxies;
      this.#trusted = isInSet(proxies, this.address);
    }
    return this.#trusted;
  }
}
