/**
 * Units of one request's measured lines: collected while request and answer pass, in whole units in the end. Worker thread.
 * A value that is missing or no good counts the meter's fallback, else what was reserved, and is told of: nothing is silently nought.
 * Not here: when they are settled (`settlement.ts`).
 */
import { type QuantityFault, unitsOf } from "#core/quantity.ts";
import type { Concerned } from "#data-plane/refusal-log.ts";
import type { RouteLine } from "#data-plane/route/compiled-route.ts";
import type { BodyReader, Reading } from "#data-plane/metering/measure/body-reader.ts";
import { allOf, bodyHead } from "#data-plane/metering/measure/body-head.ts";
import { readerFor, type ReadCaps } from "#data-plane/metering/measure/reader-for.ts";
import { parseUsageHeader, USAGE_HEADER } from "#data-plane/metering/measure/usage-header.ts";

/** Hears that a meter's value could not be used, and why. */
export type FaultListener = (meter: string, fault: QuantityFault | string, of: Concerned) => void;

const MISSING: Reading = { fault: "missing" };

/** Names and values in turn. */
type RawHeaders = readonly string[];

export class Measurement {
  /** Whether bytes of the request's body are wanted. */
  readonly wantsRequest: boolean;
  readonly #lines: readonly RouteLine[];
  readonly #estimates: readonly number[];
  readonly #caps: ReadCaps;
  readonly #onFault: (meter: string, fault: QuantityFault | string) => void;
  readonly #started = performance.now();
  readonly #requestReaders: readonly (BodyReader | null)[];
  readonly #requestHeaders: RawHeaders;
  #responseReaders: readonly (BodyReader | null)[] = [];
  #responseHeaders: RawHeaders = [];
  #reported: ReadonlyMap<string, string> = new Map();
  #bytesIn = 0;
  #bytesOut = 0;

  constructor(
    lines: readonly RouteLine[],
    estimates: readonly number[],
    requestHeaders: RawHeaders,
    caps: ReadCaps,
    onFault: (meter: string, fault: QuantityFault | string) => void,
  ) {
    this.#lines = lines;
    this.#estimates = estimates;
    this.#caps = caps;
    this.#onFault = onFault;
    this.#requestHeaders = requestHeaders;
    this.wantsRequest = lines.some(
      ({ meter: { source } }) => source?.kind === "request.json" || source?.kind === "bytes.in",
    );
    const head = bodyHead(requestHeaders);
    this.#requestReaders = lines.map(({ meter: { source } }) =>
      source?.kind === "request.json" ? readerFor(source, head, caps) : null,
    );
  }

  requestChunk(chunk: Uint8Array): void {
    this.#bytesIn += chunk.length;
    for (const reader of this.#requestReaders) reader?.push(chunk);
  }

  /** The answer's head. Returns whether every value is known now. */
  responseHead(headers: RawHeaders): boolean {
    this.#responseHeaders = headers;
    this.#report(headers);
    const head = bodyHead(headers);
    this.#responseReaders = this.#lines.map(({ meter: { source } }) =>
      source === null || source.kind === "request.json" ? null : readerFor(source, head, this.#caps),
    );
    return this.#lines.every(({ meter }) => this.#reported.has(meter.name) || isOfHead(meter.source?.kind));
  }

  /** An app that knows its use only in the end says it in a trailer. */
  trailers(trailers: RawHeaders): void {
    this.#report(trailers);
  }

  #report(headers: RawHeaders): void {
    const lines = allOf(headers, USAGE_HEADER);
    if (lines.length === 0) return;
    const reported = parseUsageHeader(lines);
    if (reported instanceof Map) this.#reported = new Map([...this.#reported, ...reported]);
    else if ("fault" in reported) this.#onFault(USAGE_HEADER, String(reported.fault));
  }

  responseChunk(chunk: Uint8Array): void {
    this.#bytesOut += chunk.length;
    for (const reader of this.#responseReaders) reader?.push(chunk);
  }

  /** Units by line; once, when nothing more comes. */
  units(): readonly number[] {
    return this.#lines.map((line, index) => {
      const reading = this.#reading(line, index);
      const units = "fault" in reading ? reading.fault : unitsOf(reading.text, line.meter.scaling);
      if (typeof units === "number") return line.meter.aggregate === "count" ? 1 : units;
      this.#onFault(line.meter.name, units);
      return line.meter.fallback ?? Math.max(line.meter.scaling.minimum, this.#estimates[index] ?? 0);
    });
  }

  #reading({ meter: { name, source } }: RouteLine, index: number): Reading {
    const reported = this.#reported.get(name);
    if (reported !== undefined) return { text: reported };
    switch (source?.kind) {
      case "request.header":
        return headerReading(this.#requestHeaders, source.name);
      case "response.header":
        return headerReading(this.#responseHeaders, source.name);
      case "duration":
        return { text: `${Math.round(performance.now() - this.#started)}e-3` };
      case "bytes.in":
        return { text: String(this.#bytesIn) };
      case "bytes.out":
        return { text: String(this.#bytesOut) };
      case "request.json":
        return this.#requestReaders[index]?.end() ?? MISSING;
      default:
        return this.#responseReaders[index]?.end() ?? MISSING;
    }
  }
}

/** Known when the answer's head is. What an app does not report there, it may still report in a trailer. */
function isOfHead(kind: string | undefined): boolean {
  return kind === "request.header" || kind === "response.header";
}

function headerReading(headers: RawHeaders, name: string): Reading {
  const [first, ...more] = allOf(headers, name);
  if (first === undefined) return MISSING;
  return more.length === 0 ? { text: first.trim() } : { fault: "not_a_number" };
}
