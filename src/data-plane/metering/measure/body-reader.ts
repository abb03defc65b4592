/** What reads a meter's value out of a body while it passes. Types only. */
import type { QuantityFault } from "#core/quantity.ts";

/** The value as it was written, for `unitsOf`; or why there is none. */
export type Reading = { readonly text: string } | { readonly fault: QuantityFault };

/** Sees every chunk of one body, in order. Never throws, never keeps a chunk; its memory does not grow with the body. */
export interface BodyReader {
  push(chunk: Uint8Array): void;
  /** Once, after the last chunk. */
  end(): Reading;
}
