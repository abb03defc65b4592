/** `/health`: the process lives. `/ready`: it may get traffic. Main thread. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { operation } from "./operation.ts";

const health = operation(
  { id: "getHealth", summary: "Whether the process lives", tag: "Gateway" },
  {},
  { 200: Type.Object({ status: Type.Literal("ok") }) },
);
const readiness = operation(
  { id: "getReadiness", summary: "Whether the gateway takes traffic", tag: "Gateway" },
  {},
  {
    200: Type.Object({ status: Type.Literal("ready") }),
    503: Type.Object({ status: Type.Literal("starting") }),
  },
);

export function registerHealth(app: FastifyInstance, ready: () => boolean): void {
  app.get("/health", health, async () => ({ status: "ok" }));
  app.get("/ready", readiness, async (_request, reply) =>
    ready() ? { status: "ready" } : reply.code(503).send({ status: "starting" }),
  );
}
