/** `/admin/accounts/{id}/members`: members of any account. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Member } from "#control-plane/users/members.ts";
import { isReservedUser, type User } from "#control-plane/users/user.ts";
import { cursorOf, placeIn } from "./cursors.ts";
import { accountOr404, liveAccount, userOr404 } from "./found.ts";
import { checkHandOut } from "./hand-out.ts";
import { knownRoles } from "./member-power.ts";
import { MemberAnswer, MemberBody, MemberParams, MemberPatch } from "./member-schemas.ts";
import { memberView } from "./member-views.ts";
import { operation } from "./operation.ts";
import { readOwnLimits } from "./own-limits.ts";
import { reject } from "./problems.ts";
import { IdParams, Page, pageOf } from "./schemas.ts";
import type { Services } from "./services.ts";
import { pageView } from "./views.ts";

const tag = "Members";
const list = operation(
  { id: "listAccountMembers", summary: "List the members of an account", tag },
  { params: IdParams, querystring: Page },
  { 200: pageOf(MemberAnswer) },
);
const add = operation(
  { id: "addAccountMember", summary: "Make a user a member of an account", tag, errors: ["conflict"] },
  { params: IdParams, body: MemberBody },
  { 201: MemberAnswer },
);
const update = operation(
  { id: "updateAccountMember", summary: "Change a member's roles and limits", tag },
  { params: MemberParams, body: MemberPatch },
  { 200: MemberAnswer },
);
const remove = operation(
  { id: "removeAccountMember", summary: "Remove a member from an account", tag },
  { params: MemberParams },
  { 200: MemberAnswer },
);

export function registerAccountMembers(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { members, settings } = services;
  app.get("/admin/accounts/:id/members", list, async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    return membersPage(services, id, request.query, memberView);
  });
  app.post("/admin/accounts/:id/members", add, async (request, reply) => {
    const { id } = await liveAccount(services, request.params.id);
    const { user: named, roles = [], limits } = request.body;
    await checkHandOut(request, services, knownRoles(roles, settings()));
    const wish = { roles, limits: readOwnLimits(limits, "user", settings()), isJoining: false };
    const member = await members.add(id, await userOrNew(services, named), wish);
    return reply.code(201).send(memberView(member));
  });
  app.patch("/admin/accounts/:id/members/:user", update, async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    const user = await userOr404(services, request.params.user);
    const { roles, limits } = request.body;
    await checkHandOut(request, services, knownRoles(roles ?? [], settings()));
    const wish = {
      ...(roles === undefined ? {} : { roles }),
      ...(limits === undefined ? {} : { limits: readOwnLimits(limits, "user", settings()) }),
    };
    return viewOr404(await members.change(id, user.id, wish, null), request.params.user);
  });
  app.delete("/admin/accounts/:id/members/:user", remove, async (request) => {
    const { id } = await accountOr404(services, request.params.id);
    const user = await userOr404(services, request.params.user);
    return viewOr404(await members.remove(id, user.id, null), request.params.user);
  });
}

/** The user with this external id (or ours), made where nobody knows them: the answer does not tell whether somebody does. */
export async function userOrNew({ users }: Services, id: string): Promise<User> {
  const known = await users.find(id);
  if (known?.state === "deleted" || (known === null && isReservedUser(id)))
    reject("not_found", "user:id", `No user ${id}`);
  return known ?? users.create({ externalId: id, email: null, name: null });
}

interface MembersQuery {
  readonly limit: number;
  readonly cursor?: string;
}

/** A page of an account's members. */
export async function membersPage(
  { members }: Services,
  account: string,
  { limit, cursor }: MembersQuery,
  view: (member: Member) => Record<string, unknown>,
): Promise<Record<string, unknown>> {
  const [createdAtMs, user] = cursor === undefined ? [0, ""] : placeIn(cursor, "created");
  const page = await members.ofAccount(account, limit + 1, { createdAtMs, user });
  return pageView(page, limit, view, (last) => cursorOf(["created", last.createdAtMs, last.user]));
}

function viewOr404(member: Member | null, user: string): Record<string, unknown> {
  return member === null ? reject("not_found", "member:id", `No member ${user} in this account`) : memberView(member);
}
