/** `POST /admin/users/{id}/impersonate`: an operator acts as a user for a while. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { rfc3339 } from "#core/clock.ts";
import { parseDuration } from "#core/units.ts";
import type { IssuerSettings } from "#config/identity-settings.ts";
import type { Member } from "#control-plane/users/members.ts";
import type { User } from "#control-plane/users/user.ts";
import { userOr404 } from "./found.ts";
import { checkHandOut } from "./hand-out.ts";
import { knownRoles } from "./member-power.ts";
import { operation } from "./operation.ts";
import { refuseAt, reject } from "./problems.ts";
import { IdParams, strict, Time, words } from "./schemas.ts";
import type { Services } from "./services.ts";
import { identifier } from "./user-schemas.ts";

const LIFE_MS_MAX = 3_600_000;

const Body = Type.Object(
  {
    /** An account the user is a member of; needed where there are several. */
    account: Type.Optional(identifier),
    reason: Type.String({ minLength: 1, maxLength: 500 }),
    ttl: Type.String({ pattern: "^[1-9][0-9]{0,9}(s|m|h)$", default: "10m" }),
    /** Where the local issuer's tokens name roles: which; left out, the member's. */
    roles: Type.Optional(words),
  },
  strict,
);

const Answer = Type.Object({
  token: Type.String(),
  session: Type.String(),
  account: Type.String(),
  roles: Type.Array(Type.String()),
  expiresAt: Time,
});

const impersonate = operation(
  {
    id: "impersonateUser",
    summary: "Get a short token that acts as a user and says who acts",
    tag: "Users",
    errors: ["permission_denied", "conflict"],
  },
  { params: IdParams, body: Body },
  { 201: Answer },
);

export function registerImpersonation(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.post("/admin/users/:id/impersonate", impersonate, async (request, reply) => {
    const user = await userOr404(services, request.params.id);
    if (user.state !== "active") reject("conflict", "user:state", `User ${request.params.id} is ${user.state}`);
    const { reason, ttl, ...wish } = request.body;
    const lifetimeMs = parseDuration(ttl) ?? Infinity;
    if (lifetimeMs > LIFE_MS_MAX) refuseAt("body/ttl", `Expected at most 1h, got ${ttl}`);
    const issuer = localIssuer(services);
    const member = await memberOf(services, user, wish.account);
    const externalAccount = accountOf(issuer, user, member);
    const roles = rolesOf(issuer, member, wish.roles, services);
    await checkHandOut(request, services, roles);
    const of = { user, account: member?.account ?? null, externalAccount, reason, lifetimeMs };
    const named = issuer.roleSource === "token" ? roles : [];
    const { token, session, expiresAtMs } = await services.impersonation.begin(issuer, { ...of, roles: named });
    const answer = { token, session, account: externalAccount, roles, expiresAt: rfc3339(expiresAtMs) };
    return reply.code(201).header("cache-control", "no-store").send(answer);
  });
}

function localIssuer({ settings }: Services): IssuerSettings {
  const issuer = settings().identity.issuers.find(({ jwks }) => jwks.kind === "local");
  const hint = "add one to identity.issuers: { name: local, preset: local, audiences: [...] }";
  return issuer ?? reject("conflict", "issuer:local", `The configuration has no issuer with preset: local; ${hint}`);
}

/** The membership the token is for; null: the user is in no account yet. */
async function memberOf(services: Services, user: User, named: string | undefined): Promise<Member | null> {
  const all = await services.members.ofUser(user.id);
  if (named !== undefined) {
    const found = all.find(({ account, externalAccount }) => named === account || named === externalAccount);
    return found ?? reject("not_found", "account:member", `User is no member of an account ${named}`);
  }
  if (all.length > 1) refuseAt("body/account", "The user is a member of several accounts: name one");
  return all[0] ?? null;
}

/** As the token names it. */
function accountOf({ name, claims }: IssuerSettings, user: User, member: Member | null): string {
  if (claims.account === null) {
    if (member === null || member.externalAccount === user.externalId) return user.externalId;
    const detail = `Issuer ${name} names no accounts (claims.account): its tokens act for the user's own alone`;
    return reject("conflict", "issuer:account", detail);
  }
  if (member === null) reject("conflict", "account:member", "The user is a member of no account");
  const detail = "The account has no external id, by which tokens could name it";
  return member.externalAccount ?? reject("conflict", "account:external-id", detail);
}

/** Those the principal will have: of the list of members, or those the token is to name. */
function rolesOf(
  { name, claims, roleSource }: IssuerSettings,
  member: Member | null,
  wanted: readonly string[] | undefined,
  { settings }: Services,
): readonly string[] {
  if (roleSource === "members") {
    if (wanted !== undefined) refuseAt("body/roles", `Issuer ${name} takes roles from the list of members`);
    return member?.roles ?? [];
  }
  const roles = knownRoles(wanted ?? member?.roles ?? [], settings());
  if (roles.length > 0 && claims.roles === null)
    reject("conflict", "issuer:roles", `Issuer ${name} maps no roles: set its claims.roles`);
  return roles;
}
