/** Waits for something that has no event of its own to wait for. */
import { setTimeout as sleep } from "node:timers/promises";

const EVERY_MS = 5;

/** The first value of `look` that is neither undefined, null nor false; throws after `timeoutMs` without one. */
export async function until<T>(
  what: string,
  look: () => T | Promise<T>,
  timeoutMs = 5000,
  everyMs = EVERY_MS,
): Promise<Exclude<T, undefined | null | false>> {
  for (const end = performance.now() + timeoutMs; ; await sleep(everyMs)) {
    const value = await look();
    // What is none of the three is the rest of T.
    if (value !== undefined && value !== null && value !== false) return value as Exclude<T, undefined | null | false>;
    if (performance.now() > end) throw new Error(`Not within ${timeoutMs} ms: ${what}`);
  }
}
