/** When a client's connection is closed, the same on both lanes. Worker thread. */
import type { Duplex } from "node:stream";

/** A connection that is idle when draining begins may stay so this long: the next request on it is answered, with `Connection: close`. */
export const DRAIN_IDLE_MS = 300;
/** The same after an answer that did not say `Connection: close`: its client was promised a connection, and is likely to use it. */
export const DRAIN_AGAIN_MS = 1000;

/** Time a client has to read the last words before its connection is closed from our side too. */
const LINGER_MS = 250;

/**
 * Ends a connection behind `words`. It is closed from our side a moment after all is sent, not sooner: a client that reads slowly gets
 * the whole of its answers. One that does not read at all is the lane's to end.
 */
export function endBehind(socket: Duplex, words: Buffer | string = ""): void {
  socket.end(words, () => setTimeout(() => socket.destroy(), LINGER_MS).unref());
}
