/**
 * From a path in the data to a position in the text. Main thread.
 * A position costs a walk from the root, so it is looked up for faults only.
 */
import { isAlias, isMap, isScalar, isSeq, type Node, type Pair } from "yaml";
import type { Fault } from "./faults.ts";
import { faultAt, type YamlSource } from "./yaml-source.ts";

/** Keys and list indices from the root. */
export type Path = readonly (string | number)[];

interface Spot {
  /** The key that leads to the value; null in a list and at the root. */
  readonly key: Node | null;
  readonly value: Node | null;
}

/** A fault at the value of a path; an absent or empty value is reported at its key. */
export function faultAtValue(source: YamlSource, path: Path, message: string, hint: string | null = null): Fault {
  const { key, value } = spotOf(source, path);
  const node = value === null || (isWrittenEmpty(value) && key !== null) ? (key ?? value) : value;
  return faultAt(source, node?.range?.[0] ?? 0, message, hint);
}

/** A fault at the last key of a path. */
export function faultAtKey(source: YamlSource, path: Path, message: string, hint: string | null = null): Fault {
  const { key, value } = spotOf(source, path);
  return faultAt(source, (key ?? value)?.range?.[0] ?? 0, message, hint);
}

/** A fault about what a map lacks: at its first key, or at the key of the map when it is empty. */
export function faultInMap(source: YamlSource, path: Path, message: string, hint: string | null = null): Fault {
  const { key, value } = spotOf(source, path);
  const first = isMap(value) ? value.items[0]?.key : null;
  const node = isScalar(first) ? first : (key ?? value);
  return faultAt(source, node?.range?.[0] ?? 0, message, hint);
}

/** The node that holds the value of a path, aliases followed. */
export function nodeAt(source: YamlSource, path: Path): Node | null {
  return spotOf(source, path).value;
}

/** Whether nothing is written where a value belongs (`server:` and then nothing). */
export function isWrittenEmpty(node: Node): boolean {
  return isScalar(node) && node.value === null && node.source === "";
}

function spotOf(source: YamlSource, path: Path): Spot {
  let spot: Spot = { key: null, value: source.document.contents };
  for (const step of path) spot = child(source, spot, step);
  return spot;
}

function child(source: YamlSource, parent: Spot, step: string | number): Spot {
  const node = follow(source, parent.value);
  if (isSeq(node)) {
    const item = follow(source, node.items[Number(step)]);
    return { key: null, value: item };
  }
  const pair = isMap(node) ? node.items.findLast((one) => keyText(one) === String(step)) : undefined;
  if (pair === undefined) return { key: parent.key, value: parent.value };
  return { key: isScalar(pair.key) ? pair.key : null, value: follow(source, pair.value) };
}

function follow(source: YamlSource, node: unknown): Node | null {
  if (isAlias(node)) return node.resolve(source.document) ?? null;
  return isMap(node) || isSeq(node) || isScalar(node) ? node : null;
}

/** The key as the data has it: `null` becomes the empty text, numbers their digits. */
function keyText(pair: Pair): string {
  const value = isScalar(pair.key) ? pair.key.value : null;
  return value === null ? "" : String(value);
}
