/** A Fastify instance as every listener of the control API uses it. Main thread. */
import { Ajv } from "ajv";
import Fastify, { type FastifyBaseLogger, type FastifyInstance, LogController } from "fastify";
import type { TSchema } from "typebox";
import { newId } from "#core/ids.ts";
import { answerProblems } from "./problems.ts";
import type { Services } from "./services.ts";

const BODY_BYTES_MAX = 64 * 1024;

/** JSON has types of its own: `0` is no `null`, and one text is no list. */
const asWritten = new Ajv({ useDefaults: true });
/** Parameters and queries are text whatever they mean. */
const fromText = new Ajv({ useDefaults: true, coerceTypes: "array" });

export function newControlApp(services: Services, log: FastifyBaseLogger): FastifyInstance {
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
  app.setValidatorCompiler<TSchema>(({ schema, httpPart }) =>
    (httpPart === "body" ? asWritten : fromText).compile(schema),
  );
  // Clients often send `content-type: application/json` with no body at all, on DELETE say.
  app.removeContentTypeParser("application/json");
  app.addContentTypeParser("application/json", { parseAs: "string" }, (_request, body, done) => {
    try {
      done(null, body === "" ? undefined : JSON.parse(String(body)));
    } catch {
      done(Object.assign(new Error("Body is not valid JSON"), { statusCode: 400 }), undefined);
    }
  });
  app.addHook("onSend", async (request, reply) => {
    reply.header("x-request-id", request.id);
    reply.header("x-content-type-options", "nosniff");
  });
  answerProblems(app, () => services.settings().errors.format, services.log);
  return app;
}

/** Workers forward paths as clients sent them, prefix included. */
function withoutPrefix(url: string, prefix: string): string {
  return url.startsWith(`${prefix}/`) ? url.slice(prefix.length) : url;
}
