/** `/admin/users/{id}/sessions`: sessions of users, listed and refused by operators. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { wallMs } from "#core/clock.ts";
import { userOr404 } from "./found.ts";
import { operation } from "./operation.ts";
import { refuseBy, reject } from "./problems.ts";
import { IdParams } from "./schemas.ts";
import type { Services } from "./services.ts";
import { timeOf } from "./times.ts";
import { DenyBody, Revoked, SessionList, SessionParams } from "./user-schemas.ts";
import { sessionView } from "./user-views.ts";

/** No token lives longer than that, and a list that is never forgotten grows. */
const DENIED_MS_MAX = 3_660 * 86_400_000;

const tag = "Users";
const list = operation(
  { id: "listUserSessions", summary: "List a user's live sessions", tag },
  { params: IdParams },
  { 200: SessionList },
);
const revokeAll = operation(
  { id: "revokeUserSessions", summary: "Refuse all tokens of a user issued until now", tag },
  { params: IdParams },
  { 200: Revoked },
);
const revokeOne = operation(
  { id: "revokeUserSession", summary: "Refuse the tokens of one session", tag, errors: ["conflict"] },
  { params: SessionParams },
  { 200: Revoked },
);
const deny = operation(
  { id: "denyUserSession", summary: "Refuse a session that need not have been seen", tag, errors: ["conflict"] },
  { params: IdParams, body: DenyBody },
  { 200: Revoked },
);

export function registerUserSessions(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { sessions } = services;
  app.get("/admin/users/:id/sessions", list, async (request) => {
    const live = await sessions.live(await userOr404(services, request.params.id));
    return { data: live.map(sessionView), nextCursor: null };
  });
  app.delete("/admin/users/:id/sessions", revokeAll, async (request) => ({
    revoked: await sessions.revokeAll(await userOr404(services, request.params.id)),
  }));
  app.delete("/admin/users/:id/sessions/:session", revokeOne, async (request) => {
    const { id, session } = request.params;
    if (!(await sessions.deny(await userOr404(services, id), session)))
      reject("not_found", "session:id", `No live session ${session} of this user`);
    return { revoked: 1 };
  });
  app.post("/admin/users/:id/sessions/deny", deny, async (request) => {
    const user = await userOr404(services, request.params.id);
    const { session, expiresAt } = request.body;
    const expiresMs = timeOf(expiresAt, "body:expiresAt", "body/expiresAt");
    if (expiresMs > wallMs() + DENIED_MS_MAX)
      refuseBy("body:expiresAt", "body/expiresAt", "Expected a time within the next ten years");
    if (!(await sessions.deny(user, session))) await sessions.denyUnseen(user, session, expiresMs);
    return { revoked: 1 };
  });
}
