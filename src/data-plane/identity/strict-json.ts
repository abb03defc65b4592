/**
 * JSON for tokens: what `JSON.parse` takes, minus what two readers could understand differently: duplicate keys,
 * and nesting deep enough to hurt. Worker thread, pure.
 */

const DEPTH_MAX = 16;

/** The object in `text`, or null when it is no object, has a duplicate key anywhere or nests deeper than 16. */
export function parseStrictObject(text: string): Readonly<Record<string, unknown>> | null {
  if (!hasPlainStructure(text)) return null;
  try {
    const value: unknown = JSON.parse(text);
    const isObject = typeof value === "object" && value !== null && !Array.isArray(value);
    // Checked on the line above: a non-null object that is no array has string keys.
    return isObject ? (value as Record<string, unknown>) : null;
  } catch {
    return null;
  }
}

/**
 * Walks the tokens once, keeping the keys of each open object. Malformed text may pass here; `JSON.parse` refuses it.
 * A string is a key when a colon follows it.
 */
function hasPlainStructure(text: string): boolean {
  const open: Set<string>[] = [];
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (character === "{" || character === "[") {
      if (open.push(new Set()) > DEPTH_MAX) return false;
    } else if (character === "}" || character === "]") {
      open.pop();
    } else if (character === '"') {
      const end = endOfString(text, at);
      if (end === -1) return false;
      if (isKey(text, end) && !addKey(open.at(-1), text.slice(at, end))) return false;
      at = end - 1;
    }
  }
  return true;
}

/** Index behind the closing quote, or -1. */
function endOfString(text: string, start: number): number {
  for (let at = start + 1; at < text.length; at++) {
    if (text[at] === "\\") at++;
    else if (text[at] === '"') return at + 1;
  }
  return -1;
}

function isKey(text: string, at: number): boolean {
  let next = at;
  while (text[next] === " " || text[next] === "\t" || text[next] === "\n" || text[next] === "\r") next++;
  return text[next] === ":";
}

/** Whether the key is new to its object. Compared unescaped: `"\u0061"` is `"a"`. */
function addKey(keys: Set<string> | undefined, literal: string): boolean {
  if (keys === undefined) return false;
  try {
    const key: unknown = JSON.parse(literal);
    if (typeof key !== "string" || keys.has(key)) return false;
    keys.add(key);
    return true;
  } catch {
    return false;
  }
}
