/** What a part of the schema wants, in words, for fault messages. Pure. */
import { OWN_PATTERN, PLACE_PATTERN } from "./request-place.ts";
import { ADDRESS, DURATION, NAME, SEALING_KEY, SIZE } from "./schema-parts.ts";

/** The few JSON Schema keywords that `schema.ts` uses. */
export interface SchemaNode {
  readonly type?: string;
  readonly properties?: Readonly<Record<string, SchemaNode>>;
  readonly patternProperties?: Readonly<Record<string, SchemaNode>>;
  readonly required?: readonly string[];
  readonly items?: SchemaNode;
  readonly anyOf?: readonly SchemaNode[];
  readonly enum?: readonly unknown[];
  readonly const?: unknown;
  readonly pattern?: string;
  readonly minLength?: number;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly minItems?: number;
  readonly maxItems?: number;
  readonly description?: string;
  readonly default?: unknown;
}

/** Every pattern of the schema in words; a test holds the table complete. */
export const PATTERN_WORDS: Readonly<Record<string, string>> = {
  [DURATION]: "a duration such as 30s, 5m or 1h",
  [SIZE]: "a size such as 16KiB or 10MiB",
  [NAME]: "a name of letters, digits, _ . and - that starts with a letter, at most 64 characters",
  "^(?!eyJ)[A-Za-z0-9_.-]{2,32}$": "2 to 32 letters, digits, _ . and - that do not start with eyJ, as tokens do",
  [SEALING_KEY]: "32 bytes as 64 hexadecimal digits or as base64",
  [ADDRESS]: "an address such as 127.0.0.1:8080, [::1]:8080 or :8080",
  "^[a-z]{2,8}$": "2 to 8 lower-case letters",
  "^(/[A-Za-z0-9._~-]+)+$": "a path such as /_tollgate",
  "^sqlite:.+$": "sqlite:PATH, such as sqlite:data/tollgate.db",
  "^(https?://|file:).+$": "an http(s) URL or file:PATH",
  "^https?://[^/]+": "an http(s) URL such as http://127.0.0.1:9000",
  "^[a-z][a-z0-9]{0,15}$": "1 to 16 lower-case letters and digits that start with a letter",
  "^[a-z][a-z0-9-]*$": "a header name in lower case",
  "^[a-z]{3}$": "a currency code of three lower-case letters, such as usd",
  [PLACE_PATTERN]: "path.NAME, where NAME is a parameter of the route's path, query.NAME or header.name in lower case",
  [OWN_PATTERN]: "path.NAME, where NAME is a parameter of the route's path, query.NAME, header or resource",
  "^response\\.json:.+$": "response.json:PATH, such as response.json:id",
  "^(\\*\\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$": "a host name in lower case without a port, or *. and a suffix",
  "^/": "a path that starts with /",
  "^claim:.+$": "claim:PATH, such as claim:org.id",
  "^[0-9]+(\\.[0-9]+)?(/[0-9]+(\\.[0-9]+)?)?$": "a number or a fraction such as 1/60",
  "^request\\.header:[A-Za-z0-9-]+$": "request.header:NAME",
};

/** What the schema wants, such as `"auto" or a whole number from 1 to 64`. */
export function schemaWords(schema: SchemaNode): string {
  return listWords([...new Set(alternatives(schema))]);
}

/** Texts of which the schema wants one, for "did you mean". */
export function wantedTexts(schema: SchemaNode): readonly string[] {
  const own = [...(schema.enum ?? []), ...("const" in schema ? [schema.const] : [])];
  return [...own.filter((value) => typeof value === "string"), ...(schema.anyOf ?? []).flatMap(wantedTexts)];
}

/** `a`, `a or b`, `a, b or c`. */
export function listWords(words: readonly string[]): string {
  const last = words.at(-1) ?? "nothing";
  return words.length < 2 ? last : `${words.slice(0, -1).join(", ")} or ${last}`;
}

function alternatives(schema: SchemaNode): readonly string[] {
  if (schema.anyOf !== undefined) return schema.anyOf.flatMap(alternatives);
  if (schema.enum !== undefined) return schema.enum.map((value) => JSON.stringify(value));
  if ("const" in schema) return [JSON.stringify(schema.const)];
  return [typeWords(schema)];
}

function typeWords(schema: SchemaNode): string {
  switch (schema.type) {
    case "string":
      return textWords(schema);
    case "integer":
      return integerWords(schema);
    case "number":
      return "a number above 0";
    case "boolean":
      return "true or false";
    case "null":
      return "null";
    case "array":
      return "a list";
    default:
      return "a map";
  }
}

function textWords({ pattern, minLength = 0 }: SchemaNode): string {
  if (pattern !== undefined) return PATTERN_WORDS[pattern] ?? `text that matches ${pattern}`;
  return minLength > 1 ? `text of ${minLength} characters or more` : "text";
}

function integerWords({ minimum, maximum }: SchemaNode): string {
  if (minimum === undefined) return "a whole number";
  const isOpen = maximum === undefined || maximum === Number.MAX_SAFE_INTEGER;
  return isOpen ? `a whole number of ${minimum} or more` : `a whole number from ${minimum} to ${maximum}`;
}
