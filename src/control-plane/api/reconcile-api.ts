/** `GET /admin/reconcile`: recomputes usage from its sources and says every difference. Main thread. */
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { reconcile } from "#control-plane/metering/reconcile.ts";
import { operation } from "./operation.ts";
import { nullable, Time } from "./schemas.ts";
import type { Services } from "./services.ts";

const count = Type.Integer({ minimum: 0 });

const ReconciliationAnswer = Type.Object({
  at: Time,
  journal: Type.Object({
    from: Time,
    segments: count,
    records: count,
    reported: count,
    minuteRows: count,
    grants: count,
  }),
  windows: Type.Object({ accounts: count, windows: count, gauges: count }),
  live: nullable(Type.Object({ accounts: count, counters: count, credits: count, moving: count })),
  differenceCount: count,
  differences: Type.Array(
    Type.Object({
      kind: Type.Enum(["segment", "usage", "requests", "window", "gauge", "grant", "counter", "credits"]),
      where: Type.Record(Type.String(), Type.Union([Type.String(), Type.Number(), Type.Null()])),
      expected: nullable(Type.Number()),
      found: nullable(Type.Number()),
    }),
  ),
});

const reconcileUsage = operation(
  { id: "reconcileUsage", summary: "Compute usage anew and list every difference", tag: "Usage" },
  {},
  { 200: ReconciliationAnswer },
);

export function registerReconcile(app: FastifyInstance, services: Services): void {
  // Two at once would read everything twice.
  let underWay: ReturnType<typeof reconcile> | null = null;
  app.get("/admin/reconcile", reconcileUsage, async () => {
    underWay ??= reconcile(services.usage).finally(() => (underWay = null));
    return underWay;
  });
}
