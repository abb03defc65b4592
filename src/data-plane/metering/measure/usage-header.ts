/** What an app reports of its own use: `x-tollgate-usage: tokens=123,jobs=1`. Worker thread, pure. Not here: judging the values. */

/** Trusted from upstreams only, and never forwarded: callers must see to both. */
export const USAGE_HEADER = "x-tollgate-usage";

/** Meters in one response. */
const ENTRIES_MAX = 64;

/** A meter's name as in configuration, and a value without blanks, commas and quotes, which `unitsOf` judges. */
const ENTRY = /^([A-Za-z][A-Za-z0-9_.-]{0,63})[ \t]*=[ \t]*([!#-+\--<>-~]{1,1024})$/;

/**
 * Meter → value as it was written, from all lines of the header. Blanks around names and values do not matter, nor do empty entries
 * (RFC 9110 §5.6.1). An entry that is malformed, or names a meter again, makes the whole header a fault: which of two figures is
 * meant is not for the gateway to guess. A value that is no number is the fault of its own meter only.
 */
export function parseUsageHeader(lines: readonly string[]): ReadonlyMap<string, string> | { readonly fault: string } {
  const values = new Map<string, string>();
  for (const entry of lines.flatMap((line) => line.split(","))) {
    const text = entry.trim();
    if (text === "") continue;
    const [, meter, value] = ENTRY.exec(text) ?? [];
    if (meter === undefined || value === undefined) return { fault: `Expected meter=value, got ${quoted(text)}` };
    if (values.has(meter)) return { fault: `Expected each meter once, got ${quoted(meter)} again` };
    if (values.set(meter, value).size > ENTRIES_MAX) return { fault: `Expected at most ${ENTRIES_MAX} meters` };
  }
  return values;
}

function quoted(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 60)}…`);
}
