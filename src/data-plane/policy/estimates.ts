/** Units a request reserves by line: the route's constants, and for measured lines the meter's estimate, a number or a header's. Worker thread, pure. */
import type { MeterSettings } from "#config/settings.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";

const ESTIMATE_MAX = 1_000_000_000;
const fixed = new WeakMap<CompiledRoute, readonly number[]>();

/** The same list for every request of a route, unless a header has a say. */
export function reservedUnits(route: CompiledRoute, rawHeaders: readonly string[]): readonly number[] {
  const known = fixed.get(route);
  if (known !== undefined) return known;
  const measured = route.lines.slice(route.constants);
  if (measured.some(({ meter }) => meter.estimate.header !== null))
    return route.lines.map(({ meter, units }, index) =>
      index < route.constants ? units : estimateOf(meter, rawHeaders),
    );
  const units = route.lines.map((line, index) => (index < route.constants ? line.units : line.meter.estimate.units));
  fixed.set(route, units);
  return units;
}

/** A header that names no whole number, or too large a one, estimates nothing: the real value is counted in the end. */
function estimateOf({ estimate }: MeterSettings, rawHeaders: readonly string[]): number {
  if (estimate.header === null) return estimate.units;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    if (rawHeaders[i]?.toLowerCase() !== estimate.header) continue;
    const text = rawHeaders[i + 1] ?? "";
    return /^[0-9]{1,10}$/.test(text) ? Math.min(ESTIMATE_MAX, Number(text)) : estimate.units;
  }
  return estimate.units;
}
