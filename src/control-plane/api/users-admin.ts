/** `/admin/users`: users as operators see and change them. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { userRecord } from "#control-plane/users/user-records.ts";
import { isReservedUser } from "#control-plane/users/user.ts";
import { placeOf } from "#control-plane/users/user-list.ts";
import { cursorOf, placeIn } from "./cursors.ts";
import { accountOr404, userOr404 } from "./found.ts";
import { operation } from "./operation.ts";
import { refuseBy, reject } from "./problems.ts";
import { IdParams, pageOf } from "./schemas.ts";
import type { Services } from "./services.ts";
import { timeOf } from "./times.ts";
import { UserAnswer, UserBody, UserDetail, UserPage, UserPatch } from "./user-schemas.ts";
import { membershipView, sessionView, userView } from "./user-views.ts";
import { pageView } from "./views.ts";

const tag = "Users";
const listAll = operation(
  { id: "listUsers", summary: "List users: search, filter, sort", tag, errors: ["not_found"] },
  { querystring: UserPage },
  { 200: pageOf(UserAnswer) },
);
const create = operation(
  { id: "createUser", summary: "Make a user ahead of their first token", tag, errors: ["conflict"] },
  { body: UserBody },
  { 201: UserAnswer },
);
const show = operation(
  { id: "getUser", summary: "Show a user with memberships and live sessions", tag },
  { params: IdParams },
  { 200: UserDetail },
);
const update = operation(
  { id: "updateUser", summary: "Change, suspend or activate a user", tag, errors: ["conflict"] },
  { params: IdParams, body: UserPatch },
  { 200: UserAnswer },
);
const remove = operation(
  { id: "deleteUser", summary: "Delete a user for good", tag },
  { params: IdParams },
  { 200: UserAnswer },
);

export function registerUsers(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { users, members, sessions } = services;
  app.get("/admin/users", listAll, async (request) => {
    const { limit, cursor, account: id, sort, search, state } = request.query;
    const account = id === undefined ? undefined : (await accountOr404(services, id)).id;
    const filter = { search, account, states: state === undefined ? undefined : [state] };
    const [value, last] = cursor === undefined ? [null, ""] : placeIn(cursor, sort);
    const after = value === null ? null : { value, id: last };
    const page = await users.list({ filter, sort, count: limit + 1, after });
    return pageView(page, limit, userView, (user) => cursorOf([sort, placeOf(user, sort), user.id]));
  });
  app.post("/admin/users", create, async (request, reply) => {
    const { externalId, email = null, name = null } = request.body;
    if (isReservedUser(externalId)) {
      const detail = "An external id cannot be user_ and 22 letters and digits: those are the gateway's own";
      refuseBy("user:external-id", "body/externalId", detail);
    }
    const user = await users.create({ externalId, email: lowered(email), name });
    return reply.code(201).send(userView(user));
  });
  app.get("/admin/users/:id", show, async (request) => {
    const user = await userOr404(services, request.params.id);
    const memberships = (await members.ofUser(user.id)).map((member) => membershipView(member, services.settings()));
    const live = (await sessions.live(user)).map(sessionView);
    const { deniedSessions = [], members: known = {} } = (await userRecord(services.usage.db, user.externalId)) ?? {};
    const removedFrom = Object.keys(known).filter((account) => known[account] === null);
    const usagePath = `/admin/users/${user.id}/usage`;
    return { ...userView(user), members: memberships, sessions: live, deniedSessions, removedFrom, usagePath };
  });
  app.patch("/admin/users/:id", update, async (request) => {
    const { id } = await userOr404(services, request.params.id);
    const { email, sessionsNotBefore: from, ...rest } = request.body;
    const notBefore =
      from === undefined
        ? {}
        : { notBeforeMs: from === null ? null : timeOf(from, "user:not-before", "body/sessionsNotBefore") };
    const address = email === undefined ? {} : { email: lowered(email) };
    const changed = await users.change(id, { ...rest, ...address, ...notBefore });
    return changed === null ? gone(id) : userView(changed);
  });
  app.delete("/admin/users/:id", remove, async (request) => {
    const { id } = await userOr404(services, request.params.id);
    const removed = await users.remove(id);
    return removed === null ? gone(id) : userView(removed);
  });
}

function lowered(email: string | null): string | null {
  return email === null ? null : email.toLowerCase();
}

function gone(id: string): never {
  reject("not_found", "user:id", `No user ${id}, or a deleted one`);
}
