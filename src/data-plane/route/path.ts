/**
 * Phase 2, first half: the request target, normalised once. What comes out is matched and is forwarded, byte for byte.
 * Worker thread, pure. Unreserved escapes are decoded and dot segments resolved (RFC 3986 §6.2.2); whatever two parsers
 * could read differently is refused: escaped separators, backslash, NUL, empty segments, path parameters on dots.
 */
import { type Refusal, refuse } from "#core/errors.ts";

/** Bytes a request target may have. */
export const TARGET_LENGTH_MAX = 8192;
const SEGMENTS_MAX = 64;
// Anything but printable ASCII, or a fragment, or a backslash.
const FORBIDDEN = /[^\x21-\x7e]|[#\\]/;
const NOT_PLAIN = /%|\/\/|\/\.|;/;
const FORBIDDEN_ESCAPE = /%(?:2f|5c|00|3b|3f|23|[01][0-9a-f]|7f)/i;
const BAD_ESCAPE = /%(?![0-9A-Fa-f]{2})/;
const DOT_WITH_PARAMETER = /\/\.{1,2};/;

export interface Target {
  /** Path and query as forwarded. */
  readonly text: string;
  /** Segments of the path, still escaped where they must be; a trailing slash adds none. */
  readonly segments: readonly string[];
  /** Without the question mark; empty when there is none. */
  readonly query: string;
  /** Host of an absolute-form target, which then overrides the Host field (RFC 9112 §3.2.2). */
  readonly authority: string | null;
}

/** Longest target that is remembered, and how many are. */
const KNOWN_LENGTH_MAX = 256;
const KNOWN_MAX = 4096;

/** Reads targets and remembers what they were read as: most requests are for a few of them. One for each thread. */
export class TargetReader {
  #known = new Map<string, Target>();

  read(raw: string): Target | Refusal {
    const known = this.#known.get(raw);
    if (known !== undefined) return known;
    const target = readTarget(raw);
    if ("code" in target || raw.length > KNOWN_LENGTH_MAX) return target;
    // As a whole: cheaper than to know which was used last, and what is asked for often is soon there again.
    if (this.#known.size === KNOWN_MAX) this.#known = new Map();
    this.#known.set(raw, target);
    return target;
  }
}

/** Reads and normalises a request target. */
export function readTarget(raw: string): Target | Refusal {
  if (raw.length > TARGET_LENGTH_MAX) {
    return {
      ...refuse("target_too_long", "target:length", `Request target is longer than ${TARGET_LENGTH_MAX} bytes`),
      close: true,
    };
  }
  if (FORBIDDEN.test(raw)) return malformed("target:character", "Request target has a character that is not allowed");
  if (raw.startsWith("/")) return originForm(raw, null);
  // User information stays in the authority, which the check of the host then refuses (RFC 9110 §4.2.4).
  const absolute = /^https?:\/\/([^/?]+)(.*)$/i.exec(raw);
  if (absolute === null) return malformed("target:form", "Request target is neither a path nor an http URL");
  const [, authority = "", rest = ""] = absolute;
  return originForm(rest.startsWith("/") ? rest : `/${rest}`, authority);
}

function originForm(text: string, authority: string | null): Target | Refusal {
  const mark = text.indexOf("?");
  const rawPath = mark === -1 ? text : text.slice(0, mark);
  const query = mark === -1 ? "" : text.slice(mark + 1);
  const path = NOT_PLAIN.test(rawPath) ? normalise(rawPath) : rawPath;
  if (typeof path !== "string") return path;
  const segments = path.split("/").slice(1);
  if (segments.at(-1) === "") segments.pop();
  if (segments.length > SEGMENTS_MAX)
    return malformed("target:segments", `Path has more than ${SEGMENTS_MAX} segments`);
  return { text: mark === -1 ? path : `${path}?${query}`, segments, query, authority };
}

function normalise(rawPath: string): string | Refusal {
  if (BAD_ESCAPE.test(rawPath)) return malformed("target:escape", "Path has a broken percent escape");
  if (FORBIDDEN_ESCAPE.test(rawPath))
    return malformed("target:escape", "Path has an escaped separator or control character");
  if (!isUtf8(rawPath)) return malformed("target:escape", "Path escapes are not valid UTF-8");
  const path = rawPath.replace(/%([0-9A-Fa-f]{2})/g, decodeUnreserved);
  if (path.includes("//")) return malformed("target:empty-segment", "Path has an empty segment");
  if (DOT_WITH_PARAMETER.test(path)) return malformed("target:dot-segment", "Path has a parameter on a dot segment");
  return path.includes("/.") ? resolveDots(path) : path;
}

function isUtf8(path: string): boolean {
  try {
    decodeURIComponent(path);
    return true;
  } catch {
    return false;
  }
}

function decodeUnreserved(escape: string, hex: string): string {
  const character = String.fromCharCode(Number.parseInt(hex, 16));
  return /[A-Za-z0-9._~-]/.test(character) ? character : escape;
}

function resolveDots(path: string): string | Refusal {
  const kept: string[] = [];
  const segments = path.split("/").slice(1);
  for (const segment of segments) {
    if (segment === "..") {
      if (kept.pop() === undefined) return malformed("target:dot-segment", "Path climbs above its root");
    } else if (segment !== ".") {
      kept.push(segment);
    }
  }
  // A path that ends in a dot segment names a folder: it keeps its slash.
  const last = segments.at(-1);
  if (last === "." || last === "..") kept.push("");
  return `/${kept.join("/")}`;
}

function malformed(rule: string, detail: string): Refusal {
  return { code: "malformed_request", rule, detail, close: true };
}
