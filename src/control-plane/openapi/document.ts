/**
 * The OpenAPI 3.1 document of operations. Main thread, pure. Schemas are JSON Schema 2020-12, as TypeBox makes them; one with a `title`
 * is written down once, under that name. Answers are left open for members to come: clients ignore what they do not know.
 * Not here: which codes an operation answers (`answered-errors.ts`), the page (`page.ts`).
 */
import type { TSchema } from "typebox";
import type { EndpointDemands } from "#config/endpoint-rules.ts";
import { ERRORS, type ErrorCode } from "#core/errors.ts";
import { answeredErrors } from "./answered-errors.ts";
import { demandWords } from "./demand-words.ts";
import { NamedSchemas, type Schema } from "./named-schemas.ts";
import type { Operation } from "./operations.ts";

const JSON_TYPE = "application/json";

/** Who may call an operation. */
export interface Access {
  /** `none` anybody, `caller` a token or an API key, `operator` the admin token. */
  readonly auth: "none" | "caller" | "operator";
  /** What a caller must be permitted; null: nothing. */
  readonly permission: string | null;
  /** As gateway.yaml and narrowed keys call it; null: they do not. */
  readonly name: string | null;
  /** What gateway.yaml asks of callers beside. */
  readonly demands: EndpointDemands;
}

export interface ServedOperation {
  readonly operation: Operation;
  readonly access: Access;
}

export interface DocumentParts {
  readonly title: string;
  readonly description: string;
  readonly version: string;
  /** Where paths begin, a path itself: `/_tollgate`. */
  readonly base: string;
  readonly operations: readonly ServedOperation[];
  /** Headers that take an API key, lower case. */
  readonly keyHeaders: readonly string[];
  /** `errors.format` of gateway.yaml. */
  readonly errorFormat: "problem" | "plain";
}

export interface ApiParameter {
  readonly name: string;
  readonly in: "path" | "query";
  readonly required: boolean;
  readonly description?: string;
  readonly schema: Schema;
}

export type ApiContent = Readonly<Record<string, { readonly schema: Schema }>>;

export interface ApiResponse {
  readonly description: string;
  readonly content?: ApiContent;
}

export interface ApiOperation {
  readonly operationId: string;
  readonly summary: string;
  readonly description?: string;
  readonly tags: readonly string[];
  readonly parameters?: readonly ApiParameter[];
  readonly requestBody?: { readonly required: boolean; readonly content: ApiContent };
  readonly responses: Readonly<Record<string, ApiResponse>>;
  readonly security: readonly Readonly<Record<string, readonly string[]>>[];
  readonly "x-tollgate-name"?: string;
  readonly "x-tollgate-permission"?: string;
}

export interface ApiDocument {
  readonly openapi: "3.1.1";
  readonly info: { readonly title: string; readonly version: string; readonly description: string };
  readonly servers: readonly { readonly url: string }[];
  readonly tags: readonly { readonly name: string }[];
  /** By path, then by method in lower case. */
  readonly paths: Readonly<Record<string, Readonly<Record<string, ApiOperation>>>>;
  readonly components: {
    readonly schemas: Readonly<Record<string, Schema>>;
    readonly securitySchemes: Readonly<Record<string, Readonly<Record<string, string>>>>;
  };
}

/** Throws when two operations have one id, or two schemas one title. */
export function openApiDocument(parts: DocumentParts): ApiDocument {
  const { title, description, version, base, operations, errorFormat } = parts;
  const named = new NamedSchemas({ Error: errorSchema(errorFormat) });
  const paths: Record<string, Record<string, ApiOperation>> = {};
  const ids = new Set<string>();
  for (const served of operations) {
    const { method, path, id } = served.operation;
    if (ids.has(id)) throw new Error(`Two operations have the id ${id}`);
    ids.add(id);
    const item = (paths[path] ??= {});
    item[method.toLowerCase()] = apiOperation(served, parts, named);
  }
  const tags = [...new Set(operations.map(({ operation }) => operation.tag))].sort();
  return {
    openapi: "3.1.1",
    info: { title, version, description },
    servers: [{ url: base }],
    tags: tags.map((name) => ({ name })),
    paths,
    components: { schemas: named.all(), securitySchemes: securitySchemes(parts) },
  };
}

function apiOperation(served: ServedOperation, parts: DocumentParts, named: NamedSchemas): ApiOperation {
  const { operation, access } = served;
  const { permission, name } = access;
  const words = demandWords(access);
  const parameters = [
    ...parametersOf(operation.params, "path", named),
    ...parametersOf(operation.querystring, "query", named),
  ];
  const bodies = Object.entries(operation.bodies);
  const content = Object.fromEntries(bodies.map(([type, schema]) => [type, { schema: named.refer(schema) }]));
  return {
    operationId: operation.id,
    summary: operation.summary,
    ...(words === "" ? {} : { description: words }),
    tags: [operation.tag],
    ...(parameters.length === 0 ? {} : { parameters }),
    ...(bodies.length === 0 ? {} : { requestBody: { required: operation.bodyRequired, content } }),
    responses: { ...answersOf(operation, named), ...errorsOf(served, parts) },
    security: securityOf(access, parts.keyHeaders),
    ...(name === null ? {} : { "x-tollgate-name": name }),
    ...(permission === null ? {} : { "x-tollgate-permission": permission }),
  };
}

function parametersOf(schema: TSchema | null, place: "path" | "query", named: NamedSchemas): readonly ApiParameter[] {
  if (schema === null || !("properties" in schema)) return [];
  // An object schema: what operations name as `params` and `querystring`.
  const { properties, required = [] } = schema as unknown as {
    readonly properties: Readonly<Record<string, TSchema>>;
    readonly required?: readonly string[];
  };
  return Object.entries(properties).map(([name, member]) => {
    const { description, ...shape } = named.refer(member);
    // One with a default may be left out.
    const isRequired = place === "path" || (required.includes(name) && !("default" in shape));
    const words = typeof description === "string" ? { description } : {};
    return { name, in: place, required: isRequired, ...words, schema: shape };
  });
}

function answersOf({ answers }: Operation, named: NamedSchemas): Readonly<Record<string, ApiResponse>> {
  return Object.fromEntries(
    Object.entries(answers).map(([status, schema]) => {
      const { contentMediaType: type = JSON_TYPE, ...shape } = named.refer(schema);
      const description = STATUS_WORDS[status] ?? "Answer";
      if (shape.type === "null") return [status, { description }];
      return [status, { description, content: { [String(type)]: { schema: shape } } }];
    }),
  );
}

const STATUS_WORDS: Readonly<Record<string, string>> = {
  200: "Done",
  201: "Made",
  202: "Taken",
  204: "Done, without a body",
  207: "Done in part; each item says how it went",
};

/** By status; what is answered with a status both as an answer and as an error stays the answer. */
function errorsOf(served: ServedOperation, { errorFormat }: DocumentParts): Readonly<Record<string, ApiResponse>> {
  const codes = answeredErrors(served);
  const byStatus = Map.groupBy(codes, (code) => String(ERRORS[code].status));
  const type = errorFormat === "problem" ? "application/problem+json" : JSON_TYPE;
  return Object.fromEntries(
    [...byStatus]
      .filter(([status]) => !Object.hasOwn(served.operation.answers, status))
      .map(([status, some]) => [status, errorResponse(some, type)]),
  );
}

function errorResponse(codes: readonly ErrorCode[], type: string): ApiResponse {
  const schema = { allOf: [{ $ref: "#/components/schemas/Error" }, { properties: { error: { enum: codes } } }] };
  return { description: codes.map((code) => ERRORS[code].title).join(", or "), content: { [type]: { schema } } };
}

/** Both forms of `core/problem.ts`. Further members say what helps: `path`, `limit`, `retry_after`, … */
function errorSchema(format: DocumentParts["errorFormat"]): Schema {
  const text = { type: "string" };
  const shared = { error: { type: "string", description: "The code" }, rule: text, request_id: text };
  const properties =
    format === "plain"
      ? { ...shared, message: text }
      : { type: text, title: text, status: { type: "integer" }, detail: text, ...shared };
  return { type: "object", properties, required: Object.keys(properties) };
}

function securitySchemes({ keyHeaders, operations }: DocumentParts): ApiDocument["components"]["securitySchemes"] {
  const isOperators = operations.some(({ access }) => access.auth === "operator");
  const isCallers = operations.some(({ access }) => access.auth === "caller");
  const own = keyHeaders.filter((name) => name !== "authorization");
  return {
    ...(isOperators ? { adminToken: { type: "http", scheme: "bearer", description: "The admin token" } } : {}),
    ...(isCallers ? { bearer: { type: "http", scheme: "bearer", description: bearerWords(keyHeaders) } } : {}),
    ...(isCallers
      ? Object.fromEntries(own.map((name) => [name, { type: "apiKey", in: "header", name, description: "An API key" }]))
      : {}),
  };
}

function bearerWords(keyHeaders: readonly string[]): string {
  return keyHeaders.includes("authorization") ? "A token of an issuer, or an API key" : "A token of an issuer";
}

/** One of them is enough; none at all: the operation is open. */
function securityOf({ auth, demands }: Access, keyHeaders: readonly string[]): ApiOperation["security"] {
  if (auth === "none") return [];
  if (auth === "operator") return [{ adminToken: [] }];
  const forKeys = demands.schemes.includes("key") ? keyHeaders : [];
  const isBearer = demands.schemes.includes("jwt") || forKeys.includes("authorization");
  const own = forKeys.filter((name) => name !== "authorization");
  return [...(isBearer ? [{ bearer: [] }] : []), ...own.map((name) => ({ [name]: [] }))];
}
