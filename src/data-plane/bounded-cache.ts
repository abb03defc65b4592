/**
 * A cache that forgets what was not used for longest when it is full. Worker thread.
 * Sized by weight 1 each instead of `max`: lru-cache then grows with use, where `max` sets aside 60 bytes an entry at once
 * (12 MB and 70 ms a worker at our sizes); reading measured no slower.
 */
import { LRUCache } from "lru-cache";

/** At most `entries` entries. `onForgotten` hears of each that leaves, for whatever reason. */
export function boundedCache<V extends object | string | true>(
  entries: number,
  onForgotten?: (value: V, key: string) => void,
): LRUCache<string, V> {
  const dispose = onForgotten === undefined ? {} : { dispose: onForgotten };
  return new LRUCache<string, V>({ maxSize: entries, sizeCalculation: () => 1, ...dispose });
}
