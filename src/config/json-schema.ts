/** The JSON Schema of `gateway.yaml` for editors, `config/gateway.schema.json`. Pure. Not here: validation (`validate.ts`). */
import { GatewayFile } from "./schema.ts";

const ID = "urn:tollgate:gateway.schema.json";
const REFERENCE = { $ref: "#/definitions/reference" };

/** The document as indented JSON with a line end. Every value that is not free text may also be a `${…}` reference. */
export function gatewayJsonSchema(): string {
  const root = {
    $schema: "http://json-schema.org/draft-07/schema#",
    $id: ID,
    ...Object(withReferences(JSON.parse(JSON.stringify(GatewayFile)))),
    definitions: {
      reference: {
        type: "string",
        pattern: "\\$\\{[^}]+\\}",
        description: "`${ENV}`, `${ENV:-default}` or `${file:PATH}` inside the value.",
      },
    },
  };
  // `undefined` is left out by stringify.
  return `${JSON.stringify(root, null, 2)}\n`;
}

type Json = Readonly<Record<string, unknown>>;

function withReferences(schema: Json): Json {
  const { description, default: standard, ...rest } = schema;
  // A part without words of its own is an alternative of a union, whose words and default stand further out.
  const head = description === "" ? {} : { description, default: standard };
  const body = isRestricted(rest) ? { anyOf: [rest, REFERENCE] } : mapParts(rest);
  return { ...head, ...body };
}

/** A scalar that not every text satisfies. */
function isRestricted(schema: Json): boolean {
  if (schema.enum !== undefined || "const" in schema) return true;
  if (schema.type === "string") return schema.pattern !== undefined || Number(schema.minLength ?? 0) > 1;
  return schema.type === "integer" || schema.type === "boolean";
}

function mapParts(schema: Json): Json {
  const parts = Object.entries(schema).map(([key, value]) => {
    if (key === "properties" || key === "patternProperties") return [key, mapRecord(value)];
    if (key === "items") return [key, withReferences(Object(value))];
    if (key === "anyOf" && Array.isArray(value)) return [key, alternatives(value)];
    return [key, value];
  });
  return Object.fromEntries(parts);
}

function mapRecord(value: unknown): Json {
  return Object.fromEntries(Object.entries(Object(value)).map(([key, part]) => [key, withReferences(Object(part))]));
}

/** Nested unions become one, and the reference stands in it once. */
function alternatives(branches: readonly unknown[]): readonly unknown[] {
  const flat = branches.flatMap((branch) => {
    const mapped = withReferences(Object(branch));
    return Array.isArray(mapped.anyOf) ? mapped.anyOf : [mapped];
  });
  const own = flat.filter((branch) => branch !== REFERENCE);
  return own.length === flat.length ? flat : [...own, REFERENCE];
}
