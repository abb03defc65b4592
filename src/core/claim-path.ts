/** Paths to claims: `org.id`, and `app["https://a.example/roles"].list` where a name has dots of its own. Pure. */

/** A name between dots, or in quotes and brackets (in which `\"` and `\\` stand for themselves). */
const PART = /(?:^|\.)([^.[\]"]+)|(^)?\["((?:[^"\\]|\\["\\])+)"\]/y;

/** The names from outermost to innermost; null: the text is no path, only perhaps the name of a claim. */
export function parseClaimPath(text: string): readonly string[] | null {
  const names: string[] = [];
  PART.lastIndex = 0;
  while (PART.lastIndex < text.length) {
    const [, plain, , quoted] = PART.exec(text) ?? [];
    const name = plain ?? quoted?.replace(/\\(.)/g, "$1");
    if (name === undefined) return null;
    names.push(name);
  }
  return names.length === 0 ? null : names;
}
