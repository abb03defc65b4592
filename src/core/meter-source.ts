/**
 * Where a meter's value comes from, as configuration writes it: `response.json:usage.total_tokens`. Pure, any thread.
 * Not here: reading the value (`data-plane/metering/measure/`), nor turning it into units (`core/quantity.ts`).
 */

/** Steps into a JSON document: a text is the name of an object's member, a number the index of an array's element, from 0. */
export type JsonPath = readonly (string | number)[];

/**
 * `duration` is in seconds with a fraction; `bytes.in` and `bytes.out` are bytes of the request's and the response's body;
 * `upstream` is what the app says in `x-tollgate-usage` under the meter's name; header names are lower case.
 */
export type MeterSource =
  | { readonly kind: "request.header" | "response.header"; readonly name: string }
  | { readonly kind: "request.json" | "response.json" | "sse.last" | "ndjson.last"; readonly path: JsonPath }
  | { readonly kind: "duration" | "bytes.in" | "bytes.out" | "upstream" };

const TEXT_CHARS_MAX = 1_024;
const HEADER_CHARS_MAX = 128;
const STEPS_MAX = 16;
const NAME_CHARS_MAX = 128;

const WANTED =
  "request.header:NAME, response.header:NAME, request.json:PATH, response.json:PATH, sse.last:PATH, ndjson.last:PATH, duration, bytes.in, bytes.out or upstream";
const WANTED_PATH = 'a path such as usage.total_tokens, items[0].size or ["odd.name"].count';

/** RFC 9110 §5.6.2, a token. */
const HEADER_NAME = /^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/;

/** One step: `[0]`, `["name"]`, or a bare word with the dot before it. */
const STEP = /\[([0-9]+)\]|\[("(?:[^"\\]|\\.)*")\]|(\.?)([^.[\]"\s\p{Cc}]+)/uy;
const INDEX = /^(?:0|[1-9][0-9]{0,5})$/;

/** Takes a source apart, or says what was wrong with it and what was wanted. An index is at most 999,999. */
export function parseMeterSource(text: string): MeterSource | { readonly fault: string } {
  if (text.length > TEXT_CHARS_MAX) return { fault: `Expected at most ${TEXT_CHARS_MAX} characters` };
  const colon = text.indexOf(":");
  const kind = colon === -1 ? text : text.slice(0, colon);
  const argument = colon === -1 ? "" : text.slice(colon + 1);
  switch (kind) {
    case "request.header":
    case "response.header": {
      const fault = headerFault(argument);
      return fault === null ? { kind, name: argument.toLowerCase() } : { fault };
    }
    case "request.json":
    case "response.json":
    case "sse.last":
    case "ndjson.last": {
      const path = parsePath(argument);
      return "fault" in path ? path : { kind, path };
    }
    case "duration":
    case "bytes.in":
    case "bytes.out":
    case "upstream":
      return colon === -1 ? { kind } : { fault: `Expected ${kind} alone, got ${quoted(text)}` };
    default:
      return { fault: `Expected ${WANTED}, got ${quoted(text)}` };
  }
}

function headerFault(name: string): string | null {
  if (HEADER_NAME.test(name) && name.length <= HEADER_CHARS_MAX) return null;
  return `Expected a header name of at most ${HEADER_CHARS_MAX} characters such as x-call-seconds, got ${quoted(name)}`;
}

function parsePath(text: string): JsonPath | { readonly fault: string } {
  if (/^\$[.[]/.test(text)) return { fault: `Expected a path without the leading $, got ${quoted(text)}` };
  const path: (string | number)[] = [];
  let at = 0;
  do {
    const step = stepAt(text, at);
    if (step === null) return { fault: `Expected ${WANTED_PATH}, got ${quoted(text)}${whereWrong(text, at)}` };
    if ("fault" in step) return step;
    if (path.push(step.step) > STEPS_MAX) return { fault: `Expected at most ${STEPS_MAX} steps, got ${quoted(text)}` };
    at = step.end;
  } while (at < text.length);
  return path;
}

/** null: no step starts here. */
function stepAt(
  text: string,
  at: number,
): { readonly step: string | number; readonly end: number } | { readonly fault: string } | null {
  STEP.lastIndex = at;
  const match = STEP.exec(text);
  if (match === null) return null;
  const [whole, bracketed, literal, dot, word] = match;
  // Only a bare word has a dot group: none before the first step, one before every other.
  if (dot !== undefined && (dot === "") !== (at === 0)) return null;
  const name = literal === undefined ? word : unquoted(literal);
  if (name === null) return null;
  const step = stepOf(bracketed, literal !== undefined, name ?? "");
  return typeof step === "object" ? step : { step, end: at + whole.length };
}

function stepOf(
  index: string | undefined,
  isQuoted: boolean,
  name: string,
): string | number | { readonly fault: string } {
  const digits = index ?? (!isQuoted && /^[0-9]+$/.test(name) ? name : undefined);
  if (digits !== undefined && INDEX.test(digits)) return Number(digits);
  if (digits !== undefined)
    return { fault: `Expected an index from 0 to 999999 without leading zeros, or ["${digits}"] for a name` };
  if (name.length <= NAME_CHARS_MAX) return name;
  return { fault: `Expected names of at most ${NAME_CHARS_MAX} characters, got ${quoted(name)}` };
}

/** Escapes are those of JSON; null when one is not. */
function unquoted(literal: string): string | null {
  try {
    return String(JSON.parse(literal));
  } catch {
    return null;
  }
}

function whereWrong(text: string, at: number): string {
  return at === 0 ? "" : `, wrong from ${quoted(text.slice(at))} on`;
}

function quoted(text: string): string {
  return JSON.stringify(text.length <= 60 ? text : `${text.slice(0, 60)}…`);
}
