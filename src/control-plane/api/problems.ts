/** Errors of the control API, in the same form as those of the request path. Main thread. */
import type { FastifyBaseLogger, FastifyError, FastifyInstance } from "fastify";
import { ERRORS, type Refusal, refuse, statusOf } from "#core/errors.ts";
import { errorBody } from "#core/problem.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import { schemaFault } from "./schema-faults.ts";

/** Thrown by handlers to answer with a refusal. */
class RefusedError extends Error {
  readonly refusal: Refusal;

  constructor(refusal: Refusal) {
    super(refusal.detail);
    this.name = "RefusedError";
    this.refusal = refusal;
  }
}

/** Ends the handler with a refusal. */
export function reject(code: Refusal["code"], rule: string, detail: string): never {
  rejectWith(refuse(code, rule, detail));
}

/** Ends the handler with a refusal that somebody else made. */
export function rejectWith(refusal: Refusal): never {
  throw new RefusedError(refusal);
}

/** Ends the handler as a schema would: what is at `path` (`body/routes/0`) is not what it has to be. */
export function refuseAt(path: string, detail: string): never {
  rejectWith({ ...refuse("malformed_request", `schema:${path}`, detail), fields: { path } });
}

/** As `refuseAt`, by a rule with a name of its own. */
export function refuseBy(rule: string, path: string, detail: string): never {
  rejectWith({ ...refuse("malformed_request", rule, detail), fields: { path } });
}

/** What `work` refuses is said of the item with this index of the body, as a fault of the request. */
export async function atIndex<T>(index: number, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (!(error instanceof RefusedError)) throw error;
    const { rule, detail, fields } = error.refusal;
    const inItem = typeof fields?.path === "string" ? fields.path.replace(/^body/, "") : "";
    const path = inItem.startsWith(`/${index}/`) ? `body${inItem}` : `body/${index}${inItem}`;
    return rejectWith({ ...refuse("malformed_request", rule, `Item ${index}: ${detail}`), fields: { path } });
  }
}

/** `log` hears of each refusal, as it does of those on the request path. */
export function answerProblems(app: FastifyInstance, format: () => "problem" | "plain", log: FastifyBaseLogger): void {
  app.setErrorHandler((error: FastifyError, request, reply) => {
    const refusal = refusalOf(error);
    const { method, url } = request;
    const facts = { event: "refused", reason: refusal.rule, code: refusal.code, status: statusOf(refusal) };
    // Not its detail, which may repeat what the client wrote: a secret in the wrong place, say.
    log.info({ ...facts, request_id: request.id, method, path: url.split("?", 1)[0] }, ERRORS[refusal.code].title);
    if (refusal.code === "internal_error")
      request.log.error({ event: "bug", err: error }, "A request failed in the control plane");
    const { status, contentType, body } = errorBody(refusal, request.id, format());
    const { headers = [] } = refusal;
    for (let at = 0; at < headers.length; at += 2) reply.header(headers[at] ?? "", headers[at + 1]);
    return reply.code(status).header("content-type", contentType).header("cache-control", "no-store").send(body);
  });
  app.setNotFoundHandler((request, reply) => {
    const refusal = refuse("route_not_found", "route:none", "No endpoint takes this path and method");
    const { status, contentType, body } = errorBody(refusal, request.id, format());
    return reply.code(status).header("content-type", contentType).send(body);
  });
}

function refusalOf(error: FastifyError): Refusal {
  if (error instanceof RefusedError) return error.refusal;
  if (error instanceof ConflictError) return refuse("conflict", "state:conflict", error.message);
  if (error.validation !== undefined) {
    const { path, known, detail } = schemaFault(error.validationContext ?? "request", error.validation);
    return { ...refuse("malformed_request", `schema:${known}`, detail), fields: { path } };
  }
  if (error.statusCode === 413) return refuse("body_too_large", "limit:body", "Body is too large");
  if (error.statusCode !== undefined && error.statusCode < 500)
    return refuse("malformed_request", "body:syntax", error.message);
  return refuse("internal_error", "gateway:bug", "Something went wrong in the gateway");
}
