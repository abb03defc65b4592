/**
 * `${ENV}`, `${ENV:-default}` and `${file:PATH}` inside values, replaced in the YAML tree so that positions stay.
 * Main thread. A value stays one scalar whatever the text holds: a reference can never add keys or items.
 * Keys are not touched, and nothing that came in is looked at again.
 */
import path from "node:path";
import { isMap, isScalar, isSeq, type Node, type Scalar } from "yaml";
import type { Fault } from "./faults.ts";
import type { Path } from "./locate.ts";
import { readTextFile } from "./read-text.ts";
import { didYouMean } from "./suggest.ts";
import { faultAt, type YamlSource } from "./yaml-source.ts";

export type Environment = Readonly<Record<string, string | undefined>>;

/** What was replaced and what could not be. */
export interface References {
  readonly faults: readonly Fault[];
  /** Values that could not be resolved; their text is not to be judged. */
  readonly failed: ReadonlySet<Node>;
  readonly failedPaths: readonly Path[];
  /** The text as written, by value. Messages show it instead of the value, which may be a secret. */
  readonly written: ReadonlyMap<Node, string>;
}

/** Largest file that `${file:PATH}` reads. */
const SECRET_BYTES_MAX = 65_536;
const TOKEN = /\$\$\{|\$\{([^}]*)(\}?)/g;
const VARIABLE = /^([A-Za-z_][A-Za-z0-9_]*)(?::-(.*))?$/s;

/** Replaces every reference of the document in place. `${file:PATH}` is relative to `folder`. */
export function resolveReferences(source: YamlSource, env: Environment, folder: string): References {
  const faults: Fault[] = [];
  const failed = new Set<Node>();
  const failedPaths: Path[] = [];
  const written = new Map<Node, string>();
  for (const [scalar, at] of textValues(source.document.contents, [])) {
    const text = String(scalar.value);
    if (!text.includes("${")) continue;
    const problems: Problem[] = [];
    const result = text.replace(TOKEN, (token: string, inside: string | undefined, end: string | undefined) => {
      if (inside === undefined) return "${";
      const found = end === "" ? malformed(token) : lookUp(inside, env, folder);
      if (found.kind === "text") return found.text;
      problems.push(found);
      return "";
    });
    if (/(?<!\$)\$\{/.test(text)) written.set(scalar, text);
    if (problems.length === 0) scalar.value = isPlainVariable(scalar, text) ? retyped(result) : result;
    else {
      failed.add(scalar);
      failedPaths.push(at);
      for (const { message, hint } of problems) faults.push(faultAt(source, scalar.range?.[0] ?? 0, message, hint));
    }
  }
  return { faults, failed, failedPaths, written };
}

interface Problem {
  readonly kind: "problem";
  readonly message: string;
  readonly hint: string | null;
}
type Found = { readonly kind: "text"; readonly text: string } | Problem;

function lookUp(inside: string, env: Environment, folder: string): Found {
  if (inside.startsWith("file:")) return readSecret(inside.slice("file:".length), folder);
  const match = VARIABLE.exec(inside);
  const name = match?.[1];
  if (name === undefined) return malformed(`\${${inside}}`);
  const value = Object.hasOwn(env, name) ? env[name] : undefined;
  const standard = match?.[2];
  // As in a shell, `:-` also stands in for a variable that is set to nothing.
  if (standard !== undefined) return { kind: "text", text: value === undefined || value === "" ? standard : value };
  if (value !== undefined) return { kind: "text", text: value };
  const hint = didYouMean(name, Object.keys(env)) ?? `set it, or give a default: \${${name}:-value}`;
  return { kind: "problem", message: `The environment variable ${name} is not set`, hint };
}

function readSecret(name: string, folder: string): Found {
  const file = readTextFile(path.resolve(folder, name), SECRET_BYTES_MAX);
  if (file.kind === "text") return { kind: "text", text: file.text.replace(/\r?\n$/, "") };
  const message = `Cannot read the file ${JSON.stringify(name)}: ${file.reason}`;
  return { kind: "problem", message, hint: "paths are relative to the configuration file" };
}

function malformed(token: string): Problem {
  const shown = JSON.stringify(token.slice(0, 60));
  const message = `Expected \${NAME}, \${NAME:-default} or \${file:PATH}, got ${shown}`;
  return { kind: "problem", message, hint: "write $${ for a literal ${" };
}

/** Whether the value is one unquoted variable and nothing else. Files and quoted text stay text. */
function isPlainVariable(scalar: Scalar, text: string): boolean {
  return scalar.type === "PLAIN" && /^\$\{[A-Za-z_][^}]*\}$/.test(text) && !text.startsWith("${file:");
}

/** A strict whole number, `true`, `false` or `null` in their own type; all else as text. */
function retyped(text: string): string | number | boolean | null {
  if (text === "true" || text === "false") return text === "true";
  if (text === "null") return null;
  const isInteger = /^(0|-?[1-9][0-9]*)$/.test(text) && Number.isSafeInteger(Number(text));
  return isInteger ? Number(text) : text;
}

/** Every text value below a node with its path; keys and aliases are left out. */
function* textValues(node: unknown, at: Path): Generator<readonly [Scalar, Path]> {
  if (isScalar(node)) {
    if (typeof node.value === "string") yield [node, at];
  } else if (isSeq(node)) {
    for (const [index, item] of node.items.entries()) yield* textValues(item, [...at, index]);
  } else if (isMap(node)) {
    for (const { key, value } of node.items)
      yield* textValues(value, [...at, isScalar(key) ? String(key.value ?? "") : ""]);
  }
}
