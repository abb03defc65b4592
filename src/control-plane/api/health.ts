/** `/health`: the process lives. `/ready`: it may get traffic. Main thread. */
import type { FastifyInstance } from "fastify";

export function registerHealth(app: FastifyInstance, ready: () => boolean): void {
  app.get("/health", async () => ({ status: "ok" }));
  app.get("/ready", async (_request, reply) =>
    ready() ? { status: "ready" } : reply.code(503).send({ status: "starting" }),
  );
}
