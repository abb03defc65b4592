/** Quota windows: which span of time a moment falls in. Pure, UTC. The window is part of a counter's key: nothing is ever reset. */

export const WINDOW_KINDS = ["hour", "day", "month"] as const;
export type WindowKind = (typeof WINDOW_KINDS)[number];

/** Half open: `startMs <= t < endMs`, milliseconds since 1970. */
export interface Window {
  readonly kind: WindowKind;
  readonly startMs: number;
  readonly endMs: number;
}

const HOUR_MS = 3_600_000;
const DAY_MS = 86_400_000;

/** The window of `kind` that holds the moment `atMs`. */
export function windowAt(kind: WindowKind, atMs: number): Window {
  if (kind === "hour") return fixed(kind, atMs, HOUR_MS);
  if (kind === "day") return fixed(kind, atMs, DAY_MS);
  const at = new Date(atMs);
  const startMs = Date.UTC(at.getUTCFullYear(), at.getUTCMonth(), 1);
  return { kind, startMs, endMs: Date.UTC(at.getUTCFullYear(), at.getUTCMonth() + 1, 1) };
}

function fixed(kind: WindowKind, atMs: number, lengthMs: number): Window {
  const startMs = Math.floor(atMs / lengthMs) * lengthMs;
  return { kind, startMs, endMs: startMs + lengthMs };
}

/** Start of the hour that holds `atMs`: the grain of the ledger. */
export function hourOf(atMs: number): number {
  return Math.floor(atMs / HOUR_MS) * HOUR_MS;
}
