/** Sharing of things with other accounts: `/admin/resources/…/grants` for operators, `/resources/…/grants` for owners. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { rfc3339 } from "#core/clock.ts";
import type { Resource, ResourceName } from "#control-plane/resources/resources.ts";
import type { Share } from "#control-plane/resources/resource-shares.ts";
import type { ShareAccess } from "#shared/resources.ts";
import { callerOf } from "./caller.ts";
import { accountOr404 } from "./found.ts";
import { operation } from "./operation.ts";
import { refuseBy, reject } from "./problems.ts";
import {
  OwnShareAnswer,
  OwnSharesAnswer,
  ResourceParams,
  ShareAnswer,
  ShareBody,
  ShareParams,
  SharesAnswer,
} from "./resource-schemas.ts";
import { notFound, resourceOr404 } from "./resources-admin.ts";
import type { Services } from "./services.ts";

type View = (share: Share) => Record<string, unknown>;

/** Where the endpoints are, whose things they are about and how they answer. */
interface Desk {
  readonly path: string;
  readonly operations: ReturnType<typeof operationsOf>;
  /** Refuses with 404 what is not theirs to share. */
  readonly resource: (request: FastifyRequest, name: ResourceName) => Promise<Resource>;
  readonly view: View;
}

const admin = operationsOf("Account", "a", ShareAnswer, SharesAnswer);
const own = operationsOf("", "your", OwnShareAnswer, OwnSharesAnswer);

export function registerAdminShares(app: FastifyInstance, services: Services): void {
  const resource = (_request: FastifyRequest, name: ResourceName) => resourceOr404(services, name);
  registerDesk(app, services, { path: "/admin/resources", operations: admin, resource, view: adminView });
}

export function registerOwnShares(app: FastifyInstance, services: Services): void {
  const resource = async (request: FastifyRequest, name: ResourceName) => {
    const { account } = await callerOf(request, services);
    const found = await services.resources.get(name);
    return found === null || found.account !== account.id ? notFound(name) : found;
  };
  registerDesk(app, services, { path: "/resources", operations: own, resource, view: ownView });
}

function registerDesk(plain: FastifyInstance, services: Services, { path, operations, resource, view }: Desk): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const all = `${path}/:kind/:id/grants`;
  const one = `${all}/:account`;
  app.get(all, operations.list, async (request) => {
    const found = await resource(request, request.params);
    return { data: (await services.shares.list(found)).map(view) };
  });
  app.get(one, operations.read, async (request) => {
    const found = await resource(request, request.params);
    return view(await shareOr404(services, found, request.params.account));
  });
  app.put(one, operations.set, async (request) => {
    const found = await resource(request, request.params);
    return view(await share(services, found, request.params.account, request.body.access));
  });
  app.delete(one, operations.remove, async (request) => {
    const found = await resource(request, request.params);
    const known = await shareOr404(services, found, request.params.account);
    return (await services.shares.remove(found, found.account, known.account)) ? view(known) : notShared();
  });
}

async function share(services: Services, resource: Resource, name: string, access: ShareAccess): Promise<Share> {
  const account = await accountOr404(services, name);
  if (account.state === "deleted") reject("not_found", "account:id", `No account ${name}`);
  if (account.id === resource.account)
    refuseBy("resource:grant", "params/account", "The account owns it: there is nothing to share");
  const isDone = await services.shares.put(resource, resource.account, account.id, access);
  return isDone ? shareOr404(services, resource, account.id) : notFound(resource);
}

async function shareOr404(services: Services, resource: Resource, name: string): Promise<Share> {
  const account = await services.accounts.find(name);
  const known = account === null ? null : await services.shares.get(resource, account.id);
  return known ?? notShared();
}

function notShared(): never {
  reject("not_found", "resource:grant", "It is not shared with such an account");
}

function adminView({ account, externalId, access, createdAtMs }: Share): Record<string, unknown> {
  return { account, externalId, access, createdAt: rfc3339(createdAtMs) };
}

/** Nobody needs our ids of others' accounts. */
function ownView({ account, externalId, access, createdAtMs }: Share): Record<string, unknown> {
  return { account: externalId ?? account, access, createdAt: rfc3339(createdAtMs) };
}

function operationsOf(
  suffix: string,
  whose: string,
  answer: typeof ShareAnswer | typeof OwnShareAnswer,
  answers: typeof SharesAnswer | typeof OwnSharesAnswer,
) {
  const tag = "Resources";
  return {
    list: operation(
      { id: `list${suffix}ResourceGrants`, summary: `List whom ${whose} thing is shared with`, tag },
      { params: ResourceParams },
      { 200: answers },
    ),
    read: operation(
      { id: `get${suffix}ResourceGrant`, summary: `Show whether ${whose} thing is shared with an account`, tag },
      { params: ShareParams },
      { 200: answer },
    ),
    set: operation(
      { id: `set${suffix}ResourceGrant`, summary: `Share ${whose} thing with an account`, tag, errors: ["conflict"] },
      { params: ShareParams, body: ShareBody },
      { 200: answer },
    ),
    remove: operation(
      { id: `remove${suffix}ResourceGrant`, summary: `Share ${whose} thing no longer with an account`, tag },
      { params: ShareParams },
      { 200: answer },
    ),
  };
}
