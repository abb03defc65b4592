/** `/members`: who belongs to the caller's account. Main thread. Needs `tollgate:members:read`, or `:write` to change (`builtin-routes.ts`). */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import type { Settings } from "#config/settings.ts";
import type { OwnLimits } from "#shared/principals.ts";
import type { Member, MemberRules } from "#control-plane/users/members.ts";
import { type Caller, callerOf } from "./caller.ts";
import { checkUnbounded } from "./hand-out.ts";
import { limitsOf } from "./limits-of.ts";
import { checkWithin, givenLimits, givenRoles, managesMembers } from "./member-power.ts";
import { MemberAnswer, MemberBody, MemberPatch, OwnMemberParams } from "./member-schemas.ts";
import { fellowView } from "./member-views.ts";
import { membersPage, userOrNew } from "./members-admin.ts";
import { operation } from "./operation.ts";
import { readOwnLimits } from "./own-limits.ts";
import { reject } from "./problems.ts";
import { Page, pageOf } from "./schemas.ts";
import type { Services } from "./services.ts";

const tag = "Members";
const list = operation(
  { id: "listMembers", summary: "List the members of your account", tag },
  { querystring: Page },
  { 200: pageOf(MemberAnswer) },
);
const add = operation(
  { id: "addMember", summary: "Make a user a member of your account", tag, errors: ["permission_denied", "conflict"] },
  { body: MemberBody },
  { 201: MemberAnswer },
);
const update = operation(
  { id: "updateMember", summary: "Change a member's roles and limits", tag, errors: ["permission_denied", "conflict"] },
  { params: OwnMemberParams, body: MemberPatch },
  { 200: MemberAnswer },
);
const remove = operation(
  { id: "removeMember", summary: "Remove a member", tag, errors: ["permission_denied", "conflict"] },
  { params: OwnMemberParams },
  { 200: MemberAnswer },
);

export function registerOwnMembers(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { members, settings } = services;
  app.get("/members", list, async (request) => {
    const { account } = await callerOf(request, services);
    return membersPage(services, account.id, request.query, fellowView);
  });
  app.post("/members", add, async (request, reply) => {
    const caller = await callerOf(request, services);
    const { user: named, roles = [], limits } = request.body;
    const given = givenRoles(roles, caller.roles, settings());
    await checkUnbounded(services, caller, given);
    const within = givenLimits(readOwnLimits(limits, "user", settings()), await ownLimits(services, caller));
    const user = await userOrNew(services, named);
    const member = await members.add(caller.account.id, user, { roles: given, limits: within, isJoining: false });
    return reply.code(201).send(fellowView(member));
  });
  app.patch("/members/:user", update, async (request) => {
    const caller = await callerOf(request, services);
    const member = await memberOr404(services, caller, request.params.user);
    const { roles, limits } = request.body;
    await checkUnbounded(services, caller, roles ?? []);
    const within =
      limits === undefined
        ? undefined
        : givenLimits(readOwnLimits(limits, "user", settings()), await ownLimits(services, caller));
    const wish = {
      ...(roles === undefined ? {} : { roles: givenRoles(roles, caller.roles, settings()) }),
      ...(within === undefined ? {} : { limits: within }),
    };
    const changed = await members.change(caller.account.id, member.user, wish, rulesOf(caller, settings()));
    return changed === null ? noMember(request.params.user) : fellowView(changed);
  });
  app.delete("/members/:user", remove, async (request) => {
    const caller = await callerOf(request, services);
    const member = await memberOr404(services, caller, request.params.user);
    const removed = await members.remove(caller.account.id, member.user, rulesOf(caller, settings()));
    return removed === null ? noMember(request.params.user) : fellowView(removed);
  });
}

function rulesOf({ roles }: Caller, settings: Settings): MemberRules {
  return { permit: (member) => checkWithin(member, roles, settings), manages: managesMembers(settings) };
}

/** Of the key or the member who calls: what they hand on is at least as tight. */
export async function ownLimits(services: Services, caller: Caller): Promise<OwnLimits | null> {
  const [own] = (await limitsOf(services, caller)) ?? [];
  return own?.limits ?? null;
}

/** By our id or the external one; users who are no members are not told of. */
async function memberOr404(services: Services, { account }: Caller, id: string): Promise<Member> {
  const user = await services.users.find(id);
  const member = user === null ? null : await services.members.find(account.id, user.id);
  return member ?? noMember(id);
}

function noMember(id: string): never {
  reject("not_found", "member:id", `No member ${id} in this account`);
}
