/** `/invitations`: who is invited to the caller's account, and how somebody becomes a member by one. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { wallMs } from "#core/clock.ts";
import { parseDuration } from "#core/units.ts";
import { currentActor } from "#control-plane/audit/acting.ts";
import { callerOf, callingUser } from "./caller.ts";
import { checkUnbounded } from "./hand-out.ts";
import { givenRoles } from "./member-power.ts";
import { AcceptBody, InvitationAnswer, InvitationBody, MemberAnswer, NewInvitationAnswer } from "./member-schemas.ts";
import { fellowView, invitationView } from "./member-views.ts";
import { ownLimits } from "./own-members.ts";
import { operation } from "./operation.ts";
import { refuseAt, reject } from "./problems.ts";
import { IdParams, pageOf } from "./schemas.ts";
import type { Services } from "./services.ts";

const LIFE_MS_MAX = 90 * 86_400_000;

const tag = "Members";
const list = operation(
  { id: "listInvitations", summary: "List open invitations to your account", tag },
  {},
  { 200: pageOf(InvitationAnswer) },
);
const create = operation(
  { id: "createInvitation", summary: "Invite somebody to your account", tag, errors: ["permission_denied"] },
  { body: InvitationBody },
  { 201: NewInvitationAnswer },
);
const revoke = operation(
  { id: "revokeInvitation", summary: "Take an invitation back", tag },
  { params: IdParams },
  { 200: InvitationAnswer },
);
const accept = operation(
  {
    id: "acceptInvitation",
    summary: "Become a member by an invitation's token",
    tag,
    errors: ["permission_denied", "not_found", "conflict"],
  },
  { body: AcceptBody },
  { 200: MemberAnswer },
);

export function registerInvitations(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { invitations, settings } = services;
  app.get("/invitations", list, async (request) => {
    const { account } = await callerOf(request, services);
    return { data: (await invitations.open(account.id)).map(invitationView), nextCursor: null };
  });
  app.post("/invitations", create, async (request, reply) => {
    const caller = await callerOf(request, services);
    const { account, roles: held } = caller;
    const { email, roles, expires } = request.body;
    await checkUnbounded(services, caller, roles);
    // An invitation has no limits to hand on.
    if ((await ownLimits(services, caller)) !== null)
      reject(
        "permission_denied",
        "member:limits",
        "Who has limits of their own invites nobody: put the member in, with limits",
      );
    const lifeMs = parseDuration(expires) ?? Infinity;
    if (lifeMs > LIFE_MS_MAX) refuseAt("body/expires", `Expected at most 90d, got ${expires}`);
    const { invitation, token } = await invitations.create({
      account: account.id,
      email: email?.toLowerCase() ?? null,
      roles: givenRoles(roles, held, settings()),
      createdBy: currentActor().id,
      expiresAtMs: wallMs() + lifeMs,
    });
    return reply
      .code(201)
      .header("cache-control", "no-store")
      .send({ ...invitationView(invitation), token });
  });
  app.delete("/invitations/:id", revoke, async (request) => {
    const { account } = await callerOf(request, services);
    const { id } = request.params;
    const invitation = (await invitations.open(account.id)).find((one) => one.id === id);
    if (invitation === undefined || !(await invitations.revoke(account.id, id)))
      reject("not_found", "invitation:id", `No open invitation ${id} in this account`);
    return invitationView(invitation);
  });
  app.post("/invitations/accept", accept, async (request) => {
    const outcome = await invitations.accept(request.body.token, await callingUser(request, services));
    if (outcome === "unknown") reject("not_found", "invitation:token", "No open invitation has this token");
    if (outcome === "email")
      reject("permission_denied", "invitation:email", "The invitation is for another e-mail than yours");
    return fellowView(outcome);
  });
}
