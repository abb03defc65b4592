/** Small steps that the `normalize*.ts` files share. Pure. A text that was checked and cannot be read is a bug and throws. */
import { parseDuration, parseSize } from "#core/units.ts";

/** Milliseconds of a checked duration. */
export function durationMs(text: string): number {
  const ms = parseDuration(text);
  if (ms === null) throw new Error(`Cannot read the checked duration ${text}`);
  return ms;
}

/** Bytes of a checked size. */
export function sizeBytes(size: string | number): number {
  const bytes = parseSize(size);
  if (bytes === null) throw new Error(`Cannot read the checked size ${size}`);
  return bytes;
}

/** The same keys with other values. */
export function mapValues<A, B>(
  record: Readonly<Record<string, A>>,
  map: (value: A, key: string) => B,
): Record<string, B> {
  return Object.fromEntries(Object.entries(record).map(([key, value]) => [key, map(value, key)]));
}
