/**
 * An OpenAPI document as the measure of answers: which operations there are, and what is wrong with an answer of one. Objects of answers
 * that do not say whether they hold more are taken to hold nothing more, so that a member nobody documented is found.
 */
import { Ajv2020 } from "ajv/dist/2020.js";
import type { ApiDocument, ApiOperation } from "#control-plane/openapi/document.ts";

export interface Endpoint {
  /** Upper case. */
  readonly method: string;
  readonly path: string;
  readonly operation: ApiOperation;
}

export interface Answer {
  readonly status: number;
  readonly type: string | null;
  /** Parsed where it is JSON, else its text. */
  readonly body: unknown;
}

export class Contract {
  readonly document: ApiDocument;
  readonly #ajv: Ajv2020;

  constructor(document: ApiDocument) {
    this.document = document;
    const time = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z$/;
    this.#ajv = new Ajv2020({ strict: false, allErrors: true, formats: { "date-time": time } });
    const { Error: error, ...schemas } = document.components.schemas;
    // Errors do hold more: what helps differs from code to code.
    const components = { schemas: { ...closed(schemas), Error: error } };
    this.#ajv.addSchema({ ...document, paths: closed(document.paths), components }, "api");
  }

  get endpoints(): readonly Endpoint[] {
    return Object.entries(this.document.paths).flatMap(([path, item]) =>
      Object.entries(item).map(([method, operation]) => ({ method: method.toUpperCase(), path, operation })),
    );
  }

  /** What is wrong with the answer; empty: nothing. */
  faultsOf({ method, path, operation }: Endpoint, { status, type, body }: Answer): readonly string[] {
    const response = operation.responses[status];
    if (response === undefined) return [`Status ${status} is not documented: ${JSON.stringify(body)}`];
    const media = type?.split(";", 1)[0] ?? null;
    const documented = Object.keys(response.content ?? {});
    if (documented.length === 0) return media === null ? [] : [`Has a body of ${media}, and none is documented`];
    if (media === null || !documented.includes(media)) return [`Is ${media}, documented are ${documented.join(", ")}`];
    const place = ["paths", path, method.toLowerCase(), "responses", String(status), "content", media, "schema"];
    const check = this.#ajv.compile({ $ref: `api#/${place.map(pointer).join("/")}` });
    if (check(body)) return [];
    return (check.errors ?? []).map(({ instancePath, message, params }) =>
      [status, instancePath || "/", message, JSON.stringify(params)].join(" "),
    );
  }
}

function pointer(name: string): string {
  return encodeURIComponent(name.replaceAll("~", "~0").replaceAll("/", "~1"));
}

/** The same with `additionalProperties: false` in each schema of an object that has members and does not say. */
function closed<T>(value: T): T;
function closed(value: unknown): unknown {
  if (Array.isArray(value)) return value.map((item: unknown) => closed(item));
  if (typeof value !== "object" || value === null) return value;
  const members = Object.fromEntries(Object.entries(value).map(([name, member]) => [name, closed(member)]));
  const isOpen = members.type === "object" && "properties" in members && !("additionalProperties" in members);
  return isOpen && !("patternProperties" in members) ? { ...members, additionalProperties: false } : members;
}
