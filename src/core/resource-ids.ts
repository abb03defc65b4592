/**
 * Ids of things that apps make, and what an app could take for the same id: `/models/007`, `/models/7.0` and `/models/7-title` are
 * model 7 to many, and `/models/ABC` is `abc` to some. Pure.
 */

/** Longer ids are nobody's. */
export const RESOURCE_ID_CHARS_MAX = 255;

const WHOLE = /^\+?0*(\d+)(?:\.0*)?$/;
const LEADING = /^[\s+]*0*(\d+)/;

/** What a thing is found by, beside its id as it is. */
export function likenessOf(id: string): string {
  const plain = id.normalize("NFKC").trim().toLowerCase();
  return WHOLE.exec(plain)?.[1] ?? plain;
}

/** The likenesses of all things that an id in a request could mean; its own is the first. */
export function likenessesOf(id: string): readonly string[] {
  const own = likenessOf(id);
  const leading = LEADING.exec(own)?.[1] ?? own;
  return leading === own ? [own] : [own, leading];
}

/** Whether a thing can have this id: 1 to 255 characters, none of them half a one, NUL or another control character. */
export function isResourceId(id: string): boolean {
  return id.length > 0 && id.length <= RESOURCE_ID_CHARS_MAX && id.isWellFormed() && !/\p{Cc}/u.test(id);
}
