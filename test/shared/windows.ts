/** Windows that the tests of counters count in. */
import { type Window, type WindowKind, windowAt } from "#core/windows.ts";

/** The window in UTC of a moment. */
export function windowOf(kind: WindowKind, atMs: number): Window {
  return windowAt({ kind, timeZone: "UTC", day: 1 }, atMs, 0);
}

export const MONTH: Window = windowOf("month", 0);
