/** Windows of shapes, remembered while they last: neighbouring charges are in the same. Main thread. */
import { type Window, windowAt } from "#core/windows.ts";
import type { CounterShape } from "#shared/counter-shapes.ts";

/** Windows kept; each has its place by shape, billing periods by anchor too. */
const KEPT_MAX = 10_000;

export class WindowCache {
  readonly #kept = new Map<string, Window>();

  /** As `windowAt`. */
  of({ key, window: spec }: CounterShape, atMs: number, anchorMs: number): Window {
    const id = spec.kind === "billing-period" ? `${key}|${anchorMs}` : key;
    const kept = this.#kept.get(id);
    if (kept !== undefined && kept.startMs <= atMs && atMs < kept.endMs) return kept;
    const window = windowAt(spec, atMs, anchorMs);
    if (this.#kept.size >= KEPT_MAX) this.#kept.clear();
    this.#kept.set(id, window);
    return window;
  }
}
