/** `/sessions`: a user's own sessions. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { callingUser } from "./caller.ts";
import { operation } from "./operation.ts";
import { reject } from "./problems.ts";
import { IdParams } from "./schemas.ts";
import type { Services } from "./services.ts";
import { Revoked, SessionList } from "./user-schemas.ts";
import { sessionView } from "./user-views.ts";

const tag = "Sessions";
const list = operation(
  { id: "listOwnSessions", summary: "List your live sessions", tag, errors: ["permission_denied"] },
  {},
  { 200: SessionList },
);
const revokeAll = operation(
  { id: "revokeOwnSessions", summary: "Sign out everywhere", tag, errors: ["permission_denied"] },
  {},
  { 200: Revoked },
);
const revokeOne = operation(
  { id: "revokeOwnSession", summary: "Sign out one session", tag, errors: ["permission_denied", "conflict"] },
  { params: IdParams },
  { 200: Revoked },
);

export function registerOwnSessions(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { sessions } = services;
  app.get("/sessions", list, async (request) => {
    const live = await sessions.live(await callingUser(request, services));
    return { data: live.map(sessionView), nextCursor: null };
  });
  app.delete("/sessions", revokeAll, async (request) => ({
    revoked: await sessions.revokeAll(await callingUser(request, services)),
  }));
  app.delete("/sessions/:id", revokeOne, async (request) => {
    const { id } = request.params;
    if (!(await sessions.deny(await callingUser(request, services), id)))
      reject("not_found", "session:id", `No live session ${id} of yours`);
    return { revoked: 1 };
  });
}
