/**
 * What an endpoint says of itself: the same schemas check its input and make its part of the OpenAPI document. Main thread, pure.
 * Every endpoint is registered with one: `app.get(path, operation({ … }, { querystring, response }), handler)`.
 */
import type { TSchema } from "typebox";

export interface OperationNote {
  /** Unique, camelCase with the verb first: `listAccounts`. */
  readonly id: string;
  /** One line, no full stop. */
  readonly summary: string;
  /** The group it is shown in: `Accounts`, `Keys`, … */
  readonly tag: string;
}

/** Inputs, as Fastify names them. */
interface Inputs {
  readonly params?: TSchema;
  readonly querystring?: TSchema;
  readonly body?: TSchema;
}

/** Options of a Fastify route. `answers` are the bodies by status; they document and are checked by tests, but shape no answer. */
export function operation<const I extends Inputs>(
  { id, summary, tag }: OperationNote,
  inputs: I,
  answers: Readonly<Record<number, TSchema>>,
): { readonly schema: I } {
  const schema = { ...inputs, operationId: id, summary, tags: [tag], response: answers };
  return { schema };
}
