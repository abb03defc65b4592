/**
 * One parameter of a query, for rules that hang on it. Worker thread, pure.
 * Apps take queries apart in many ways: at `&` or at `;` too, names in any case, `a[]`, `a.b` and `a b` for `a`, the first of two or the
 * last or both. So the parameter is there once, named exactly as the file names it, or not at all; a query that some app could read
 * another way is refused.
 */
import { type Refusal, refuse } from "#core/errors.ts";

/** What a name may have that not every app takes for a part of it. */
const SIGNS = /[\0-\x2f\x3a-\x40\x5b-\x60\x7b-\x7f]/g; // biome-ignore lint: the control characters are the point
/** From here on many apps read a place inside the parameter, or nothing. */
const INNER = /[[.\0]/; // biome-ignore lint: as above

/** The decoded value, null when it is not there, or why nobody can say. `query` is without its question mark. */
export function queryParameter(query: string, name: string): string | null | Refusal {
  const wanted = likeness(name);
  let value: string | null = null;
  for (const pair of query.split("&")) {
    for (const piece of pair.split(";")) {
      const mark = piece.indexOf("=");
      const given = mark === -1 ? piece : piece.slice(0, mark);
      const read = decoded(given.replaceAll("+", " "));
      if (read === null) return unclear(name);
      if (likeness(read) !== wanted && likeness(read.split(INNER, 1)[0] ?? "") !== wanted) continue;
      // Twice, under another name, or beside a `;`.
      if (value !== null || given !== name || piece !== pair) return unclear(name);
      value = mark === -1 ? "" : plainValue(piece.slice(mark + 1));
      if (value === null) return unclear(name);
    }
  }
  return value;
}

/** The target with the parameter behind all others. */
export function withParameter(target: string, query: string, name: string, value: string): string {
  const pair = `${name}=${encodeURIComponent(value)}`;
  if (query !== "") return `${target}&${pair}`;
  return target.endsWith("?") ? target + pair : `${target}?${pair}`;
}

/** Names that some app could take for the same have the same. */
function likeness(name: string): string {
  return name.normalize("NFKC").toLowerCase().replace(SIGNS, "");
}

/** A `+` is a space to some and a plus to others. */
function plainValue(text: string): string | null {
  return text.includes("+") ? null : decoded(text);
}

/** null: not valid UTF-8, or a broken escape. */
function decoded(text: string): string | null {
  try {
    return decodeURIComponent(text);
  } catch {
    return null;
  }
}

function unclear(name: string): Refusal {
  const detail = `The query must have ${name} once, spelled so, with its value percent-encoded, and no other like it`;
  return refuse("malformed_request", `query:${name}`, detail);
}
