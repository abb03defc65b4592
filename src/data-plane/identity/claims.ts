/** Reading claims by path: `org.id` reaches into objects, a whole name with dots wins. Worker thread, pure; own properties only. */
import { parseClaimPath } from "#core/claim-path.ts";

export type Claims = Readonly<Record<string, unknown>>;

/** Names by path. The paths are the configuration's, so they are few. */
const parsed = new Map<string, readonly string[] | null>();

/** The value at `path`, or undefined. */
export function claimAt(claims: Claims, path: string): unknown {
  if (Object.hasOwn(claims, path)) return claims[path];
  const names = namesOf(path);
  if (names === null) return undefined;
  let value: unknown = claims;
  for (const name of names) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, name)) return undefined;
    // Checked on the line above: an object that has this own property.
    value = (value as Record<string, unknown>)[name];
  }
  return value;
}

function namesOf(path: string): readonly string[] | null {
  const known = parsed.get(path);
  if (known !== undefined) return known;
  const names = parseClaimPath(path);
  parsed.set(path, names);
  return names;
}

/** A claim that names something: a non-empty text of at most 255 characters, or an integer as text. Half a character names nothing. */
export function textClaim(claims: Claims, path: string | null): string | null {
  const value = path === null ? undefined : claimAt(claims, path);
  if (typeof value === "number" && Number.isSafeInteger(value)) return String(value);
  const names = typeof value === "string" && value.length > 0 && value.length <= 255 && value.isWellFormed();
  return names ? value : null;
}

/** A claim that lists things: a list of texts, or one text split at spaces. Anything else lists nothing. */
export function listClaim(claims: Claims, path: string | null): readonly string[] {
  const value = path === null ? undefined : claimAt(claims, path);
  if (typeof value === "string") return value.split(" ").filter((item) => item !== "");
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
