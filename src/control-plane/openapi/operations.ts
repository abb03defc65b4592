/**
 * What endpoints say of themselves (`api/operation.ts`), collected as they are registered. Main thread.
 * Not here: how it is shown (`document.ts`, `page.ts`).
 */
import type { FastifyInstance, RouteOptions } from "fastify";
import type { TSchema } from "typebox";
import type { ErrorCode } from "#core/errors.ts";

const JSON_TYPE = "application/json";

export interface Operation {
  /** Upper case. */
  readonly method: string;
  /** Parameters in braces. */
  readonly path: string;
  readonly id: string;
  readonly summary: string;
  readonly tag: string;
  /** Codes beyond those that follow from path and inputs. */
  readonly errors: readonly ErrorCode[];
  readonly params: TSchema | null;
  readonly querystring: TSchema | null;
  /** By media type; none: it takes no body. */
  readonly bodies: Readonly<Record<string, TSchema>>;
  readonly bodyRequired: boolean;
  readonly answers: Readonly<Record<string, TSchema>>;
}

/** What `operation()` and `bodyOptional()` write into the options of a route. */
interface OperationSchema {
  readonly operationId: string;
  readonly summary: string;
  readonly tags: readonly [string];
  readonly errors: readonly ErrorCode[];
  readonly response: Readonly<Record<string, TSchema>>;
  readonly params?: TSchema;
  readonly querystring?: TSchema;
  readonly body?: TSchema;
  readonly bodies?: Readonly<Record<string, TSchema>>;
  readonly bodyOptional?: true;
}

/** The list grows with each endpoint that is registered from now on; HEAD twins are left out. */
export function collectOperations(app: FastifyInstance): readonly Operation[] {
  const found: Operation[] = [];
  app.addHook("onRoute", (route) => {
    const { schema } = route;
    if (route.method === "HEAD" || !isOperation(schema)) return;
    found.push(operationOf(route, schema));
  });
  return found;
}

function isOperation(schema: unknown): schema is OperationSchema {
  return typeof schema === "object" && schema !== null && "operationId" in schema;
}

function operationOf({ method, url }: RouteOptions, schema: OperationSchema): Operation {
  const { body, bodies } = schema;
  return {
    method: String(method),
    path: url.replaceAll(/:(\w+)/g, "{$1}"),
    id: schema.operationId,
    summary: schema.summary,
    tag: schema.tags[0],
    errors: schema.errors,
    params: schema.params ?? null,
    querystring: schema.querystring ?? null,
    bodies: bodies ?? (body === undefined ? {} : { [JSON_TYPE]: body }),
    bodyRequired: schema.bodyOptional !== true,
    answers: schema.response,
  };
}
