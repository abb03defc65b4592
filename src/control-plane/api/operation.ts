/**
 * What an endpoint says of itself: the same schemas check its input and make its part of the OpenAPI document. Main thread, pure.
 * Every endpoint is registered with one: `app.get(path, operation({ … }, { querystring }, { 200: Answer }), handler)`.
 */
import type { FastifyRequest } from "fastify";
import type { TSchema } from "typebox";
import type { ErrorCode } from "#core/errors.ts";

export interface OperationNote {
  /** Unique, camelCase with the verb first: `listAccounts`. */
  readonly id: string;
  /** One line, no full stop. */
  readonly summary: string;
  /** The group it is shown in: `Accounts`, `Keys`, … */
  readonly tag: string;
  /** Codes it may answer beyond those that follow from its path and inputs. */
  readonly errors?: readonly ErrorCode[];
}

/** Inputs, as Fastify names them. */
interface Inputs {
  readonly params?: TSchema;
  readonly querystring?: TSchema;
  readonly body?: TSchema;
  /** Bodies by media type that the endpoint reads by itself: documented, not checked before. */
  readonly bodies?: Readonly<Record<string, TSchema>>;
}

/**
 * Options of a Fastify route. `answers` are the bodies by status; they document and are checked by tests, but shape no answer.
 * A body is JSON unless its schema has a `contentMediaType`; `Type.Null()` is none.
 */
export function operation<const I extends Inputs>(
  { id, summary, tag, errors = [] }: OperationNote,
  inputs: I,
  answers: Readonly<Record<number, TSchema>>,
): { readonly schema: Omit<I, "bodies"> } {
  const schema = { ...inputs, operationId: id, summary, tags: [tag], errors, response: answers };
  return { schema };
}

/** The operation with an empty body where a client sends none. */
export function bodyOptional<const O extends { readonly schema: object }>(options: O) {
  const preValidation = async (request: FastifyRequest) => {
    request.body ??= {};
  };
  return { ...options, schema: { ...options.schema, bodyOptional: true }, preValidation };
}
