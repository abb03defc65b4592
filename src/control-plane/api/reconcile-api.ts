/** `GET /admin/reconcile`: recomputes usage from its sources and says every difference. Main thread. */
import type { FastifyInstance } from "fastify";
import { reconcile } from "#control-plane/metering/reconcile.ts";
import type { Services } from "./services.ts";

export function registerReconcile(app: FastifyInstance, services: Services): void {
  // Two at once would read everything twice.
  let underWay: ReturnType<typeof reconcile> | null = null;
  app.get("/admin/reconcile", async () => {
    underWay ??= reconcile(services.usage).finally(() => (underWay = null));
    return underWay;
  });
}
