/**
 * Text to YAML document: syntax, duplicate keys, aliases, depth, each fault with its position. Main thread.
 * Not here: references inside values (`references.ts`) and the shape of the data (`validate.ts`).
 */
import {
  type Alias,
  type Document,
  isAlias,
  isCollection,
  isMap,
  isScalar,
  isSeq,
  LineCounter,
  type Node,
  parseDocument,
  type YAMLError,
} from "yaml";
import type { Fault } from "./faults.ts";
import { errorCode } from "./read-text.ts";

/** Nodes that one alias chain may unfold to; the yaml package counts. */
const ALIASES_MAX = 100;
/** The format itself nests 7 levels. */
const DEPTH_MAX = 32;

/** A file's document together with what turns its offsets into lines. */
export interface YamlSource {
  readonly file: string;
  readonly document: Document;
  readonly lines: LineCounter;
}

/** Either a document that holds data (perhaps with faults that leave it readable), or faults only. */
export type ParsedYaml =
  | { readonly kind: "document"; readonly source: YamlSource; readonly faults: readonly Fault[] }
  | { readonly kind: "unreadable"; readonly faults: readonly Fault[] };

/** Parses the one document of a file. Never throws, whatever the text. */
export function parseYaml(text: string, file: string): ParsedYaml {
  const lines = new LineCounter();
  try {
    const document = parseDocument(text, {
      lineCounter: lines,
      prettyErrors: false,
      uniqueKeys: (a, b) => isScalar(a) && isScalar(b) && String(a.value) === String(b.value),
    });
    const source = { file, document, lines };
    const syntax = syntaxFaults(source);
    if (syntax.length > 0) return { kind: "unreadable", faults: syntax };
    const empty = document.contents === null || (isScalar(document.contents) && document.contents.value === null);
    if (empty) return { kind: "unreadable", faults: [atStart(file, "The file is empty", "start with version: 1")] };
    const structure = structureFaults(source);
    if (structure.length > 0) return { kind: "unreadable", faults: structure };
    return { kind: "document", source, faults: duplicateFaults(source) };
  } catch (error) {
    return { kind: "unreadable", faults: [crash(file, error)] };
  }
}

/** A fault at a text offset. */
export function faultAt(source: YamlSource, offset: number, message: string, hint: string | null = null): Fault {
  const { line, col } = source.lines.linePos(offset);
  return { file: source.file, line: Math.max(1, line), column: Math.max(1, col), message, hint };
}

/** A fault of the file as a whole. */
export function atStart(file: string, message: string, hint: string | null = null): Fault {
  return { file, line: 1, column: 1, message, hint };
}

/** Plain data of the document. Aliases that unfold too far give a fault instead. */
export function plainData(source: YamlSource): { readonly data: unknown } | { readonly fault: Fault } {
  try {
    return { data: source.document.toJS({ maxAliasCount: ALIASES_MAX }) };
  } catch (error) {
    if (!(error instanceof ReferenceError)) return { fault: crash(source.file, error) };
    const first = firstAlias(source.document.contents);
    const offset = first?.range?.[0] ?? 0;
    return {
      fault: faultAt(source, offset, "Too many aliases", `at most ${ALIASES_MAX} values may come from aliases`),
    };
  }
}

/** All tabs and the first other error: what follows a syntax error is mostly its echo. */
function syntaxFaults(source: YamlSource): readonly Fault[] {
  const errors = source.document.errors.filter((error) => error.code !== "DUPLICATE_KEY");
  const tabs = errors.filter((error) => error.code === "TAB_AS_INDENT");
  const first = errors.find((error) => error.code !== "TAB_AS_INDENT");
  const warnings = source.document.warnings.map((warning) => syntaxFault(source, warning));
  const faults = [...tabs, ...(first === undefined ? [] : [first])].map((error) => syntaxFault(source, error));
  const { yaml } = source.document.directives ?? {};
  if (yaml?.explicit === true && yaml.version !== "1.2") {
    faults.push(atStart(source.file, `Expected YAML 1.2, got ${yaml.version}`, "remove the %YAML line"));
  }
  return [...faults, ...warnings];
}

function syntaxFault(source: YamlSource, error: YAMLError): Fault {
  const [message, hint] = SYNTAX_WORDS[error.code] ?? [packageWords(error.message), null];
  const flowReference = error.code === "UNEXPECTED_TOKEN" && followsDollar(source, error.pos[0]);
  if (flowReference)
    return faultAt(source, error.pos[0] - 1, "Expected quotes around a reference inside { } or [ ]", FLOW_HINT);
  return faultAt(source, error.pos[0], message, hint);
}

/** The package's own message, in house style where it is common. */
function packageWords(message: string): string {
  if (message.includes("call stack")) return `Expected at most ${DEPTH_MAX} levels of nesting`;
  const bracket = /must be .*end with a ([\]}])/.exec(message)?.[1];
  if (bracket !== undefined) return `Expected a closing ${bracket}`;
  return message.replace(/^Missing closing (.)quote/, "Expected a closing $1").replace(/\.$/, "");
}

const FLOW_HINT = 'write "${NAME}", or one key a line to keep numbers';

const SYNTAX_WORDS: Readonly<Record<string, readonly [message: string, hint: string | null]>> = {
  TAB_AS_INDENT: ["Expected spaces as indentation, got a tab", null],
  MULTIPLE_DOCS: ["Expected one document, got a second one", "remove the --- line and what follows it"],
  BLOCK_AS_IMPLICIT_KEY: ["Expected one value on this line, got a second key", 'put a value that holds ": " in quotes'],
};

/** Whether the unexpected `{` belongs to a `${` that was written without quotes in a flow collection. */
function followsDollar(source: YamlSource, offset: number): boolean {
  let found = false;
  const seek = (node: unknown): void => {
    if (isScalar(node))
      found ||= node.type === "PLAIN" && node.range?.[1] === offset && String(node.source).endsWith("$");
    else if (isMap(node)) for (const pair of node.items) seek(pair.value);
    else if (isSeq(node)) for (const item of node.items) seek(item);
  };
  seek(source.document.contents);
  return found;
}

function duplicateFaults(source: YamlSource): readonly Fault[] {
  return source.document.errors
    .filter((error) => error.code === "DUPLICATE_KEY")
    .map((error) => faultAt(source, error.pos[0], "Duplicate key", "each key once; the first one is further up"));
}

/** Aliases without an anchor or within it, keys that are not plain text, nesting without end. */
function structureFaults(source: YamlSource): readonly Fault[] {
  const faults: Fault[] = [];
  const report = (node: Node, message: string, hint: string | null = null) =>
    faults.push(faultAt(source, node.range?.[0] ?? 0, message, hint));
  const walk = (node: unknown, open: readonly Node[]): void => {
    if ((isScalar(node) || isCollection(node)) && ODD_TAGS.test(node.tag ?? ""))
      report(node, "Expected a value without a tag");
    if (isAlias(node)) {
      const target = node.resolve(source.document);
      if (target === undefined) report(node, `Unknown alias *${node.source}`, "its anchor has to stand further up");
      else if (open.includes(target)) report(node, `The alias *${node.source} stands inside its own anchor`);
    } else if (isCollection(node)) {
      if (open.length >= DEPTH_MAX) return void report(node, `Expected at most ${DEPTH_MAX} levels of nesting`);
      const inside = [...open, node];
      for (const item of node.items) walk(isMap(node) ? null : item, inside);
      if (isMap(node)) {
        for (const { key, value } of node.items) {
          if (!isScalar(key))
            report(isCollection(key) || isAlias(key) ? key : node, "Expected a key that is plain text");
          walk(value, inside);
        }
      }
    }
  };
  walk(source.document.contents, []);
  return faults;
}

/** Tags that the package knows but that make values JSON does not have. */
const ODD_TAGS = /^tag:yaml\.org,2002:(binary|merge|omap|pairs|set|timestamp)$/;

function firstAlias(node: unknown): Alias | null {
  if (isAlias(node)) return node;
  const children: readonly unknown[] = isMap(node)
    ? node.items.map((pair) => pair.value)
    : isSeq(node)
      ? node.items
      : [];
  for (const child of children) {
    const found = firstAlias(child);
    if (found !== null) return found;
  }
  return null;
}

/** The yaml package recurses; a stack overflow means nesting far beyond any use. */
function crash(file: string, error: unknown): Fault {
  if (error instanceof RangeError) return atStart(file, `Expected at most ${DEPTH_MAX} levels of nesting`);
  return atStart(file, `Cannot read the YAML (${errorCode(error)})`);
}
