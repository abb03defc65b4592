/**
 * Reads TypeScript text just far enough for the guards: which modules it names, and its code without comments, strings
 * and regular expressions. A small scanner, because TypeScript 7 has no compiler API. Does not resolve or judge anything.
 */

export interface ImportedModule {
  readonly specifier: string;
  readonly line: number;
  /** `url` is `new URL("x", import.meta.url)`: how a worker's file is named. */
  readonly kind: "import" | "url";
}

export interface SourceText {
  /** Same length and lines as the text; the insides of comments, strings, templates and regular expressions are blanks. */
  readonly code: string;
  readonly imports: readonly ImportedModule[];
  /** Lines of `import(…)` whose argument is not a plain string, so that nothing can be said about it. */
  readonly opaqueImports: readonly number[];
}

// What may stand before a `/` that divides; anything else before it starts a regular expression.
const VALUE_END = /[\w$)\]}]$/;
const KEYWORD_END = /\b(?:return|typeof|case|in|of|void|delete|throw|await|yield)$/;

const FROM = /(?<![.#])\b(?:import|export)\b[^;=()'"]*?\bfrom\s*["']/g;
const BARE = /(?<![.#])\bimport\s*["']/g;
const DYNAMIC = /(?<![.#])\bimport\s*\(\s*["']/g;
const OPAQUE = /(?<![.#])\bimport\s*\(\s*[^\s"']/g;
const WORKER_URL = /\bnew\s+URL\(\s*["'](?=[^"']*["']\s*,\s*import\.meta\.url)/g;

export function readSource(text: string): SourceText {
  const code = blankOut(text);
  const named = (pattern: RegExp, kind: ImportedModule["kind"]) =>
    [...code.matchAll(pattern)].map((match) => ({ ...specifierAt(text, match.index + match[0].length), kind }));
  return {
    code,
    imports: [
      ...named(FROM, "import"),
      ...named(BARE, "import"),
      ...named(DYNAMIC, "import"),
      ...named(WORKER_URL, "url"),
    ],
    opaqueImports: [...code.matchAll(OPAQUE)].map((match) => lineAt(text, match.index)),
  };
}

export function lineAt(text: string, offset: number): number {
  return text.slice(0, offset).split("\n").length;
}

/** `start` is the first character inside the quotes. */
function specifierAt(text: string, start: number): { specifier: string; line: number } {
  const end = text.indexOf(text.charAt(start - 1), start);
  return { specifier: text.slice(start, end), line: lineAt(text, start) };
}

function blankOut(text: string): string {
  let code = "";
  while (code.length < text.length) {
    const end = tokenEnd(text, code);
    const token = text.slice(code.length, end);
    code += end - code.length === 1 ? token : blanked(token);
  }
  return code;
}

/** Where the comment, string, template or regular expression starting here ends; one character on for plain code. */
function tokenEnd(text: string, before: string): number {
  const start = before.length;
  const two = text.slice(start, start + 2);
  const one = text.charAt(start);
  if (two === "//") return endOf(text, "\n", start);
  if (two === "/*") return endOf(text, "*/", start + 2) + 2;
  if (one === '"' || one === "'") return quotedEnd(text, start, one);
  if (one === "`") return templateEnd(text, start);
  if (one === "/" && startsRegExp(before)) return regExpEnd(text, start);
  return start + 1;
}

/** Quotes stay, so that patterns over the code still see where a string was. */
function blanked(token: string): string {
  const isString = /^["'`]/.test(token);
  const inside = isString ? token.slice(1, -1) : token;
  const blanks = inside.replace(/[^\n]/g, " ");
  return isString ? token.charAt(0) + blanks + token.charAt(0) : blanks;
}

function endOf(text: string, mark: string, from: number): number {
  const at = text.indexOf(mark, from);
  return at === -1 ? text.length : at;
}

function quotedEnd(text: string, start: number, quote: string): number {
  let at = start + 1;
  while (at < text.length && text.charAt(at) !== quote) at += text.charAt(at) === "\\" ? 2 : 1;
  return at + 1;
}

/** Steps over `${…}` with what is inside it, other templates too. */
function templateEnd(text: string, start: number): number {
  let at = start + 1;
  while (at < text.length && text.charAt(at) !== "`") {
    if (text.startsWith("${", at)) at = substitutionEnd(text, at + 2);
    else at += text.charAt(at) === "\\" ? 2 : 1;
  }
  return at + 1;
}

function substitutionEnd(text: string, start: number): number {
  let depth = 1;
  let at = start;
  while (at < text.length && depth > 0) {
    const one = text.charAt(at);
    if (one === "{") depth += 1;
    if (one === "}") depth -= 1;
    if (one === "`") at = templateEnd(text, at);
    else if (one === '"' || one === "'") at = quotedEnd(text, at, one);
    else at += 1;
  }
  return at;
}

function startsRegExp(before: string): boolean {
  const code = before.slice(-40).trimEnd();
  return !VALUE_END.test(code) || KEYWORD_END.test(code);
}

function regExpEnd(text: string, start: number): number {
  let inClass = false;
  let at = start + 1;
  while (at < text.length && text.charAt(at) !== "\n") {
    const one = text.charAt(at);
    if (one === "/" && !inClass) return at + 1;
    if (one === "[") inClass = true;
    if (one === "]") inClass = false;
    at += one === "\\" ? 2 : 1;
  }
  return start + 1; // no end on this line: it was a division
}
