/** A Fastify instance as every listener of the control API uses it. Main thread. */
import type { IncomingMessage } from "node:http";
import { Ajv } from "ajv";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, type FastifyRequest, LogController } from "fastify";
import type { TSchema } from "typebox";
import { newId } from "#core/ids.ts";
import { OWN_SCHEMAS } from "#core/own-schemas.ts";
import { type Actor, actingAs } from "#control-plane/audit/acting.ts";
import { answerProblems } from "./problems.ts";
import type { Services } from "./services.ts";
import { atFirstUse, hideOtherNumbers } from "./validators.ts";

const BODY_BYTES_MAX = 64 * 1024;

/** Endpoints that mean one of them look at it themselves. */
const JSON_TYPES = ["application/json", "application/cloudevents+json", "application/cloudevents-batch+json"];

/** JSON has types of its own: `0` is no `null`, and one text is no list. */
const asWritten = new Ajv({ ...OWN_SCHEMAS, useDefaults: true, verbose: true });
/** Parameters and queries are text whatever they mean. */
const fromText = new Ajv({ ...OWN_SCHEMAS, useDefaults: true, verbose: true, coerceTypes: "array" });

/** `actorOf` says who acts by a request. */
export function newControlApp(
  services: Services,
  log: FastifyBaseLogger,
  actorOf: (request: FastifyRequest) => Actor,
): FastifyInstance {
  const app = Fastify({
    loggerInstance: log,
    logController: new LogController({ disableRequestLogging: true }),
    bodyLimit: BODY_BYTES_MAX,
    // Ids of up to 255 characters, escaped.
    routerOptions: { maxParamLength: 1024 },
    genReqId: (request) => {
      const given = request.headers["x-request-id"];
      return typeof given === "string" && /^[A-Za-z0-9._-]{1,128}$/.test(given) ? given : newId("req");
    },
    rewriteUrl: (request) => withoutPrefix(request.url ?? "/", services.settings().server.prefix),
  });
  // Answers are written as the views made them; their schemas document them.
  app.setSerializerCompiler(() => (answer) => JSON.stringify(answer));
  app.setValidatorCompiler<TSchema>(({ schema, httpPart }) =>
    httpPart === "body" ? atFirstUse(schema, asWritten) : atFirstUse(schema, fromText, hideOtherNumbers(schema)),
  );
  // Clients often send `content-type: application/json` with no body at all, on DELETE say.
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser(JSON_TYPES, async (request: FastifyRequest, payload: IncomingMessage) =>
    readJson(payload, request.routeOptions.bodyLimit ?? BODY_BYTES_MAX),
  );
  app.addContentTypeParser("text/csv", async (request: FastifyRequest, payload: IncomingMessage) =>
    readBytes(payload, request.routeOptions.bodyLimit ?? BODY_BYTES_MAX),
  );
  // Behind the body, whose events know nothing of the request.
  app.addHook("preHandler", (request, _reply, done) => actingAs(actorOf(request), done));
  app.addHook("onSend", async (request, reply) => {
    reply.header("x-request-id", request.id);
    reply.header("x-content-type-options", "nosniff");
  });
  answerProblems(app, () => services.settings().errors.format, services.log);
  return app;
}

/** The value of a body; undefined of an empty one. */
async function readJson(payload: IncomingMessage, bytesMax: number): Promise<unknown> {
  const body = await readBytes(payload, bytesMax);
  try {
    return body.length === 0 ? undefined : JSON.parse(body.toString("utf8"));
  } catch {
    return broken(400, "Body is not valid JSON");
  }
}

async function readBytes(payload: IncomingMessage, bytesMax: number): Promise<Buffer> {
  const body = await readBody(payload, bytesMax).catch(() => broken(400, "Body ended before its end"));
  return body ?? broken(413, "Body is too large");
}

/**
 * null: too large. It is read to its end all the same: whoever forwards it may not have read an answer that comes before, when it
 * finds the connection closed.
 */
async function readBody(payload: AsyncIterable<Buffer>, bytesMax: number): Promise<Buffer | null> {
  const chunks: Buffer[] = [];
  let bytes = 0;
  for await (const chunk of payload) {
    bytes += chunk.length;
    if (bytes <= bytesMax) chunks.push(chunk);
  }
  return bytes <= bytesMax ? Buffer.concat(chunks) : null;
}

function broken(statusCode: number, message: string): never {
  throw Object.assign(new Error(message), { statusCode });
}

/** Workers forward paths as clients sent them, prefix included. */
function withoutPrefix(url: string, prefix: string): string {
  return url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : url;
}
