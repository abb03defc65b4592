/**
 * Durations and sizes as people write them: `30s`, `5m`, `16KiB`. Pure, any thread.
 * Not here: which range a key accepts (`config/schema.ts`, `config/semantics.ts`).
 */

const DURATION_MS = { ms: 1, s: 1_000, m: 60_000, h: 3_600_000, d: 86_400_000 } as const;
const SIZE_BYTES = { B: 1, KiB: 1_024, MiB: 1_048_576, GiB: 1_073_741_824 } as const;

/** Milliseconds of `30s` (units `ms s m h d`, whole numbers, no blanks); null when the text is no duration or too large. */
export function parseDuration(text: string): number | null {
  return scaled(/^([0-9]+)(ms|s|m|h|d)$/.exec(text), DURATION_MS);
}

/** Bytes of `16KiB` (units `B KiB MiB GiB`, none means bytes) or of a whole number; null when it is no size or too large. */
export function parseSize(value: string | number): number | null {
  if (typeof value === "number") return Number.isSafeInteger(value) && value >= 0 ? value : null;
  return scaled(/^([0-9]+)(B|KiB|MiB|GiB)?$/.exec(value), SIZE_BYTES);
}

/** The shortest exact spelling in one unit, which `parseDuration` reads back: 90000 is `90s`, 3600000 is `1h`. */
export function formatDuration(ms: number): string {
  const units = Object.entries(DURATION_MS).toReversed();
  const [unit, factor] = units.find(([, size]) => ms !== 0 && ms % size === 0) ?? (ms === 0 ? ["s", 1_000] : ["ms", 1]);
  return `${ms / factor}${unit}`;
}

function scaled(match: RegExpExecArray | null, units: Readonly<Record<string, number>>): number | null {
  if (match === null) return null;
  const result = Number(match[1]) * (units[match[2] ?? "B"] ?? 1);
  return Number.isSafeInteger(result) ? result : null;
}
