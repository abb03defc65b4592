/**
 * The house rules a machine can hold over `src/`: who may import whom (DESIGN.md §2), how imports are written, and what a
 * file may not be. A pure function from {path → text} to violations; reads no disk. Types and values count alike.
 */
import { dirname, posix } from "node:path";
import { type ImportedModule, lineAt, readSource, type SourceText } from "./source-text.ts";

export type Rule =
  | "room-order"
  | "unknown-room"
  | "parent-import"
  | "import-form"
  | "opaque-import"
  | "index-file"
  | "default-export"
  | "opening-comment"
  | "file-length"
  | "any-type"
  | "ts-ignore";

export interface Violation {
  readonly rule: Rule;
  readonly path: string;
  readonly line: number;
  readonly detail: string;
}

const LINES_MAX = 300;

/** A room imports only from rooms with a lower figure; equal figures never meet. */
const RANKS: ReadonlyMap<string, number> = new Map([
  ["core", 0],
  ["config", 1],
  ["shared", 2],
  ["data-plane", 3],
  ["control-plane", 3],
  ["cli", 4],
  ["main", 5],
]);

/** `files` has paths from the project root with forward slashes (`src/core/bytes.ts`) and their texts. */
export function findViolations(files: ReadonlyMap<string, string>): readonly Violation[] {
  return [...files].flatMap(([path, text]) => {
    const source = readSource(text);
    return [...judgeFile(path, text, source), ...source.imports.flatMap((named) => judgeImport(path, named))];
  });
}

function judgeFile(path: string, text: string, source: SourceText): readonly Violation[] {
  const at = (rule: Rule, line: number, detail: string): Violation => ({ rule, path, line, detail });
  const found = (rule: Rule, where: string, pattern: RegExp, detail: string) =>
    [...where.matchAll(pattern)].map((match) => at(rule, lineAt(where, match.index), detail));
  const lines = text.trimEnd().split("\n").length;
  return [
    ...(roomOf(path) === null ? [at("unknown-room", 1, "Is in no room of DESIGN.md §2")] : []),
    ...(/\/index\.[cm]?[jt]sx?$/.test(path) ? [at("index-file", 1, "Name the file after what it defines")] : []),
    ...(opensWithComment(text)
      ? []
      : [at("opening-comment", 1, "Open with a comment: duty, thread, what it does not do")]),
    ...(lines > LINES_MAX ? [at("file-length", LINES_MAX + 1, `Has ${lines} lines, at most ${LINES_MAX}`)] : []),
    ...found("default-export", source.code, /\bexport\s+default\b|\bas\s+default\b(?!\s+from)/g, "Export by name"),
    ...found("any-type", source.code, /(?<![.#\w$])any(?![\w$]|\s*[(:])/g, 'Use "unknown" or a real type'),
    ...found("ts-ignore", text, /@ts-(?:ignore|nocheck)/g, "Fix the type instead"),
    ...source.opaqueImports.map((line) => at("opaque-import", line, "Import a plain string")),
  ];
}

/** A lint directive is not an opening comment. */
function opensWithComment(text: string): boolean {
  const opening = text.replace(/^#!.*\n/, "").trimStart();
  return /^\/[/*]/.test(opening) && !/^\/[/*]+\s*(?:oxlint|eslint|biome|@ts)/.test(opening);
}

function judgeImport(path: string, named: ImportedModule): readonly Violation[] {
  const target = targetOf(path, named.specifier);
  if (target === null) return [];
  const at = (rule: Rule, detail: string): Violation => ({ rule, path, line: named.line, detail });
  if (named.kind === "url" && !target.endsWith(".ts")) return []; // a resource file, not a module
  return [
    ...(mayImport(path, target) ? [] : [at("room-order", `Must not import "${named.specifier}"`)]),
    ...(named.kind === "import" ? judgeForm(path, target, named.specifier, at) : []),
  ];
}

function judgeForm(
  path: string,
  target: string,
  specifier: string,
  at: (rule: Rule, detail: string) => Violation,
): readonly Violation[] {
  const sameFolder = dirname(path) === dirname(target);
  if (specifier.startsWith("../")) return [at("parent-import", `Write "#room/…" instead of "${specifier}"`)];
  if (specifier.startsWith("./") && !sameFolder)
    return [at("import-form", `Another room: "#room/…", not "${specifier}"`)];
  if (specifier.startsWith("#") && sameFolder) return [at("import-form", `Same room: "./…", not "${specifier}"`)];
  return [];
}

/** Path of the project file that is imported; null for packages and for Node's own modules. */
function targetOf(path: string, specifier: string): string | null {
  if (specifier.startsWith("#")) return `src/${specifier.slice(1)}`;
  if (specifier.startsWith(".")) return posix.join(dirname(path), specifier);
  return null;
}

function mayImport(path: string, target: string): boolean {
  const from = roomOf(path);
  const to = roomOf(target);
  if (from === null || to === null) return false;
  return from === to || rankOf(to) < rankOf(from);
}

function rankOf(room: string): number {
  return RANKS.get(room) ?? Number.POSITIVE_INFINITY;
}

function roomOf(path: string): string | null {
  if (path === "src/main.ts") return "main";
  const room = /^src\/([^/]+)\/./.exec(path)?.[1];
  return room !== undefined && room !== "main" && RANKS.has(room) ? room : null;
}
