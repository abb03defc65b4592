/** JSON Schema in words for readers of the page: `{ id: string, plan: string or null }`. Main thread, pure. */
import { html, type Html, type Part } from "./html.ts";
import type { Schema } from "./named-schemas.ts";

const REFERENCE = /^#\/components\/schemas\/(.+)$/;

/** The shape of a value, over several lines where it has members; names lead to their own shape. */
export function shapeOf(schema: unknown, indent = ""): Html {
  if (!isSchema(schema)) return html`anything`;
  const { $ref, const: constant, enum: values, anyOf, items, type, properties, patternProperties } = schema;
  const name = REFERENCE.exec(String($ref))?.[1];
  if (name !== undefined) return html`<a href="#type-${name}">${name}</a>`;
  if (constant !== undefined) return html`${JSON.stringify(constant)}`;
  if (Array.isArray(values)) return html`${values.map((value) => JSON.stringify(value)).join(" | ")}`;
  if (Array.isArray(anyOf))
    return joined(
      anyOf.map((one) => shapeOf(one, indent)),
      " | ",
    );
  if (type === "array") return html`[ ${shapeOf(items, indent)}, … ]`;
  if (isSchema(properties)) return members(properties, schema.required, indent);
  if (isSchema(patternProperties)) return html`{ NAME: ${shapeOf(Object.values(patternProperties)[0], indent)}, … }`;
  return html`${typeof type === "string" ? wordOf(schema) : "anything"}`;
}

function members(properties: Schema, required: unknown, indent: string): Html {
  const needed: readonly unknown[] = Array.isArray(required) ? required : [];
  const inner = `${indent}  `;
  const lines = Object.entries(properties).map(
    ([name, member]) => html`\n${inner}${name}${needed.includes(name) ? "" : "?"}: ${shapeOf(member, inner)}`,
  );
  return html`{${lines}\n${indent}}`;
}

function wordOf({ type, format }: Schema): string {
  return format === "date-time" ? "time" : String(type);
}

function joined(parts: readonly Html[], separator: string): Html {
  return html`${parts.flatMap((part, index): readonly Part[] => (index === 0 ? [part] : [separator, part]))}`;
}

/** What a value is bound to beyond its shape; empty: nothing. */
export function boundsOf(schema: Schema): string {
  const bound = (name: string, words: (value: string) => string): readonly string[] =>
    schema[name] === undefined ? [] : [words(String(schema[name]))];
  return [
    ...bound("minimum", (value) => `from ${value}`),
    ...bound("maximum", (value) => `at most ${value}`),
    ...bound("minLength", (value) => (value === "1" ? "not empty" : `${value} characters or more`)),
    ...bound("maxLength", (value) => `at most ${value} characters`),
    ...bound("maxItems", (value) => `at most ${value}`),
    ...bound("pattern", (value) => `like ${value}`),
    ...(schema.default === undefined ? [] : [`default ${JSON.stringify(schema.default)}`]),
    ...(typeof schema.description === "string" ? [schema.description] : []),
  ].join(", ");
}

/** A small value that fits: what is required, and the first member when nothing is. */
export function sampleOf(schema: unknown, schemas: Readonly<Record<string, Schema>>): unknown {
  if (!isSchema(schema)) return "…";
  const name = REFERENCE.exec(String(schema.$ref))?.[1];
  if (name !== undefined) return sampleOf(schemas[name], schemas);
  const { const: constant, enum: values, anyOf, type, properties, items } = schema;
  if (constant !== undefined) return constant;
  if (schema.default !== undefined) return schema.default;
  if (Array.isArray(values)) return values[0];
  if (Array.isArray(anyOf)) return sampleOf(anyOf[0], schemas);
  if (type === "array") return [sampleOf(items, schemas)];
  if (type === "integer" || type === "number") return typeof schema.minimum === "number" ? schema.minimum : 1;
  if (type === "boolean") return true;
  if (type === "object" || properties !== undefined) return sampleObject(schema, schemas);
  return "…";
}

function sampleObject({ properties, required }: Schema, schemas: Readonly<Record<string, Schema>>): unknown {
  if (!isSchema(properties)) return {};
  const needed: readonly unknown[] = Array.isArray(required) ? required : [];
  const all = Object.entries(properties);
  const wanted = all.filter(([name, member]) => needed.includes(name) && isSchema(member) && !("default" in member));
  const shown = wanted.length > 0 ? wanted : all.slice(0, 1);
  return Object.fromEntries(shown.map(([name, member]) => [name, sampleOf(member, schemas)]));
}

export function isSchema(value: unknown): value is Schema {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
