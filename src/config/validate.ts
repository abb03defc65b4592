/**
 * The shape of the data: Ajv over the schema, each error turned into one fault with a position. Main thread.
 * Not here: meaning across keys (`semantics.ts`) and the words for what is wanted (`schema-words.ts`).
 */
import { Ajv, type ErrorObject } from "ajv";
import { OWN_SCHEMAS } from "#core/own-schemas.ts";
import type { Fault } from "./faults.ts";
import type { Path } from "./locate.ts";
import type { References } from "./references.ts";
import { GatewayFile } from "./schema.ts";
import type { SchemaNode } from "./schema-words.ts";
import { type ShapeError, shapeFault } from "./shape-faults.ts";
import type { YamlSource } from "./yaml-source.ts";

/** Faults of the shape, and every path that is not to be trusted further. */
export interface ShapeResult {
  readonly faults: readonly Fault[];
  readonly badPaths: readonly Path[];
}

/** Schema errors that are turned into faults; the work grows with their square, and nobody reads more. */
const ERRORS_MAX = 2_000;

const ajv = new Ajv({ ...OWN_SCHEMAS, allErrors: true, strict: true, allowUnionTypes: true });
const check = ajv.compile(GatewayFile);

/** Holds the data against the schema and reports everything that differs. */
export function validateShape(source: YamlSource, data: unknown, references: References): ShapeResult {
  if (check(data)) return { faults: [], badPaths: references.failedPaths };
  const errors = check.errors ?? [];
  const told = collapseUnions(errors.slice(0, ERRORS_MAX)).map((error) => shapeError(error, data));
  return {
    faults: told.flatMap((error) => shapeFault(source, references, error) ?? []),
    badPaths: [...errors.map((error) => shapeError(error, data).badPath), ...references.failedPaths],
  };
}

/**
 * Ajv reports every branch of a union and the union itself. What stays is the branch for lists or maps when the value
 * is one, for its faults lie deeper; else the union, whose words name all branches at once.
 */
function collapseUnions(errors: readonly ErrorObject[]): readonly ErrorObject[] {
  let kept = errors;
  const unions = errors.filter((error) => error.keyword === "anyOf").toSorted(byDepth);
  for (const union of unions) {
    if (!kept.includes(union)) continue;
    const deeper = kept.find(
      (error) => isInside(error, union) && error.instancePath.length > union.instancePath.length,
    );
    const branch = deeper === undefined ? branchByKeyFault(kept, union) : branchOf(deeper, union);
    kept = kept.filter((error) =>
      branch === null
        ? !isInside(error, union)
        : error !== union && (!isInside(error, union) || branchOf(error, union) === branch),
    );
  }
  return kept;
}

function byDepth(a: ErrorObject, b: ErrorObject): number {
  return a.schemaPath.length - b.schemaPath.length;
}

function isInside(error: ErrorObject, union: ErrorObject): boolean {
  const isDeeper = error.schemaPath.startsWith(`${union.schemaPath}/`);
  const { instancePath: at } = error;
  return isDeeper && (at === union.instancePath || at.startsWith(`${union.instancePath}/`));
}

function branchOf(error: ErrorObject, union: ErrorObject): string | null {
  return error.schemaPath.slice(union.schemaPath.length + 1).split("/")[0] ?? null;
}

/** The branch that took the value for a map or list already and only misses or refuses keys or items of it. */
function branchByKeyFault(errors: readonly ErrorObject[], union: ErrorObject): string | null {
  const inner = errors.find((error) => isInside(error, union) && CONTAINER_KEYWORDS.has(error.keyword));
  return inner === undefined ? null : branchOf(inner, union);
}

const CONTAINER_KEYWORDS: ReadonlySet<string> = new Set([
  "required",
  "additionalProperties",
  "minItems",
  "maxItems",
  "uniqueItems",
]);

function shapeError(error: ErrorObject, data: unknown): ShapeError {
  const steps = pointerSteps(error.instancePath);
  const { path, value } = valueAt(data, steps);
  // The schema is JSON Schema built by TypeBox; SchemaNode lists the keywords it uses.
  const root = GatewayFile as unknown as SchemaNode;
  const schema = subschema(root, pointerSteps(decodeURIComponent(error.schemaPath.slice(1))).slice(0, -1));
  // Ajv's documented `params` by keyword; each is narrowed before use.
  const params = error.params as Readonly<Record<string, unknown>>;
  const unknownKey = error.keyword === "additionalProperties" ? String(params.additionalProperty) : null;
  const badPath = unknownKey === null ? path : [...path, unknownKey];
  return { keyword: error.keyword, path, badPath, value, schema, params };
}

function pointerSteps(pointer: string): readonly string[] {
  const steps = pointer.split("/").slice(1);
  return steps.map((step) => step.replaceAll("~1", "/").replaceAll("~0", "~"));
}

function subschema(root: SchemaNode, steps: readonly string[]): SchemaNode {
  let node: unknown = root;
  for (const step of steps) node = Object(node)[step];
  // Ajv's schemaPath leads to a keyword inside the schema that was compiled.
  return Object(node) as SchemaNode;
}

function valueAt(data: unknown, steps: readonly string[]): { readonly path: Path; readonly value: unknown } {
  const path: (string | number)[] = [];
  let value = data;
  for (const step of steps) {
    path.push(Array.isArray(value) ? Number(step) : step);
    value = Object(value)[step];
  }
  return { path, value };
}
