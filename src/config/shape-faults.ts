/** One schema error in plain words at its position. Main thread. Not here: which errors are worth telling (`validate.ts`). */
import type { Fault } from "./faults.ts";
import { faultAtKey, faultAtValue, faultInMap, isWrittenEmpty, nodeAt, type Path } from "./locate.ts";
import type { References } from "./references.ts";
import { listWords, type SchemaNode, schemaWords, wantedTexts } from "./schema-words.ts";
import { didYouMean, meanOrList } from "./suggest.ts";
import type { YamlSource } from "./yaml-source.ts";

/** A schema error without Ajv's pointers. */
export interface ShapeError {
  readonly keyword: string;
  readonly path: Path;
  /** What must not be used: the path, or the unknown key below it. */
  readonly badPath: Path;
  readonly value: unknown;
  /** The schema the value was held against. */
  readonly schema: SchemaNode;
  readonly params: Readonly<Record<string, unknown>>;
}

/** The fault of one error; null where a reference failed and its own fault says enough. */
export function shapeFault(source: YamlSource, references: References, error: ShapeError): Fault | null {
  const { path, schema, params } = error;
  const node = nodeAt(source, path);
  if (node !== null && references.failed.has(node)) return null;
  switch (error.keyword) {
    case "additionalProperties":
      return unknownKey(source, error, String(params.additionalProperty));
    case "required":
      return missingKey(source, error, String(params.missingProperty));
    case "minItems":
      return faultAtValue(
        source,
        path,
        `Expected at least ${schema.minItems === 1 ? "one item" : `${schema.minItems} items`}`,
      );
    case "maxItems":
      return faultAtValue(source, path, `Expected at most ${schema.maxItems} items`);
    case "uniqueItems":
      return duplicateItem(source, error);
    default:
      return wrongValue(source, references, error);
  }
}

function unknownKey(source: YamlSource, { badPath, schema }: ShapeError, key: string): Fault {
  if (schema.properties === undefined) {
    const wanted = listWords(
      Object.keys(schema.patternProperties ?? {}).map((pattern) => schemaWords({ type: "string", pattern })),
    );
    return faultAtKey(source, badPath, `Expected ${wanted}, got ${shownKey(key)}`);
  }
  const hint = key === "<<" ? "merge keys are not supported" : meanOrList(key, Object.keys(schema.properties), "keys");
  return faultAtKey(source, badPath, `Unknown key ${shownKey(key)}`, hint);
}

function missingKey(source: YamlSource, { path, schema }: ShapeError, key: string): Fault {
  const wanted = schema.properties?.[key];
  const hint = wanted === undefined ? null : `add ${key}: ${schemaWords(wanted)}`;
  return faultInMap(source, path, `Missing key ${JSON.stringify(key)}`, hint);
}

function duplicateItem(source: YamlSource, { path, value, params }: ShapeError): Fault {
  const index = Math.max(Number(params.i), Number(params.j));
  const item: unknown = Array.isArray(value) ? value[index] : null;
  return faultAtValue(source, [...path, index], `Expected each item once, got ${shown(item)} again`);
}

function wrongValue(source: YamlSource, references: References, { path, schema, value }: ShapeError): Fault {
  const node = nodeAt(source, path);
  const written = node === null ? undefined : references.written.get(node);
  const got =
    node !== null && isWrittenEmpty(node)
      ? "nothing"
      : written === undefined
        ? hidden(path, value)
        : `what ${shown(written)} stands for`;
  const message = `Expected ${schemaWords(schema)}, got ${got}`;
  return faultAtValue(source, path, message, valueHint(schema, value, written !== undefined));
}

function valueHint(schema: SchemaNode, value: unknown, isReference: boolean): string | null {
  const wanted = schemaWords(schema);
  if (typeof value === "string" && (wanted.includes("whole number") || wanted.includes("true or false"))) {
    if (/^(\d+|true|false)$/.test(value)) return "remove the quotes";
  }
  if (isReference)
    return typeof value !== "string" && schema.type === "string" ? "put the reference in quotes to keep it text" : null;
  if (typeof value === "number" && wanted.includes("a duration")) return `add a unit, such as ${value}s`;
  if (schema.type === "array" && typeof value === "string") return "write [item, item]";
  if (schema.type === "string" && (typeof value === "number" || typeof value === "boolean")) return "put it in quotes";
  return typeof value === "string" ? didYouMean(value, wantedTexts(schema)) : null;
}

const SECRETS = ["server.adminToken", "server.tls.key", "store.sealingKeys"];

/** A secret is never repeated in a message that ends up in logs. */
function hidden(path: Path, value: unknown): string {
  const isSecret = SECRETS.some((secret) => `${path.join(".")}.`.startsWith(`${secret}.`));
  if (isSecret && typeof value === "number") return "a number";
  return typeof value === "string" && (isSecret || isPem(value)) ? `${value.length} characters` : shown(value);
}

/** A key that stands in the wrong place is one all the same. */
function isPem(text: string): boolean {
  return text.includes("-----BEGIN");
}

/** A name from the file in a message. */
function shownKey(key: string): string {
  return isPem(key) ? `${key.length} characters` : JSON.stringify(key.slice(0, 80));
}

/** The value in a message: short, and without the password of a URL. */
function shown(value: unknown): string {
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object" && value !== null) return "a map";
  if (typeof value !== "string") return String(value);
  const safe = value.replace(/\/\/[^/@]*@/, "//***@");
  return JSON.stringify(safe.length > 60 ? `${safe.slice(0, 60)}…` : safe);
}
