/** `/admin/resources`: whose the things are that apps make, as operators see and change it. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { rfc3339 } from "#core/clock.ts";
import { isResourceId } from "#core/resource-ids.ts";
import type { Owner, Resource, ResourceName } from "#control-plane/resources/resources.ts";
import { accountOr404 } from "./found.ts";
import { operation } from "./operation.ts";
import { refuseBy, reject, rejectWith } from "./problems.ts";
import { pageOf } from "./schemas.ts";
import {
  ImportAnswer,
  ImportBody,
  OwnerBody,
  ResourceAnswer,
  ResourcePage,
  ResourceParams,
} from "./resource-schemas.ts";
import type { Services } from "./services.ts";

const IMPORT_BYTES_MAX = 8 * 1024 * 1024;
const tag = "Resources";
const params = ResourceParams;

const listResources = operation(
  { id: "listResources", summary: "List things and their owners", tag },
  { querystring: ResourcePage },
  { 200: pageOf(ResourceAnswer) },
);
const importResources = operation(
  {
    id: "importResources",
    summary: "Say whose things are that were there before the gateway, all or none",
    tag,
    errors: ["conflict"],
  },
  { body: ImportBody },
  { 200: ImportAnswer },
);
const readResource = operation(
  { id: "getResource", summary: "Show whose a thing is, or the one that a request with this id would mean", tag },
  { params },
  { 200: ResourceAnswer },
);
const setOwner = operation(
  { id: "setResourceOwner", summary: "Make an account the owner of a thing", tag },
  { params, body: OwnerBody },
  { 200: ResourceAnswer, 201: ResourceAnswer },
);
const removeResource = operation(
  { id: "removeResource", summary: "Forget whose a thing is", tag },
  { params },
  { 200: ResourceAnswer },
);

export function registerResources(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { resources } = services;
  app.get("/admin/resources", listResources, async (request) => {
    const { limit, cursor, kind, account: name } = request.query;
    const account = name === undefined ? undefined : (await accountOr404(services, name)).id;
    const after = cursor === undefined ? undefined : nameOfCursor(cursor);
    const found = await resources.list({ kind, account, after }, limit + 1);
    const shown = found.slice(0, limit);
    const last = shown.at(-1);
    const isMore = found.length > limit && last !== undefined;
    return { data: shown.map(resourceView), nextCursor: isMore ? cursorOf(last) : null };
  });
  app.post("/admin/resources/import", { ...importResources, bodyLimit: IMPORT_BYTES_MAX }, async (request) => {
    const list = await ownersOf(services, request.body.resources);
    const taken = await resources.addAll(list);
    if (taken !== null) rejectAt("conflict", taken, "Another account owns it, or the list gives it to two");
    return { resources: list.length };
  });
  app.get("/admin/resources/:kind/:id", readResource, async ({ params: name }) => {
    const meant = await resources.find(name);
    return resourceView(await resourceOr404(services, { ...name, id: meant?.id ?? name.id }));
  });
  app.put("/admin/resources/:kind/:id", setOwner, async (request, reply) => {
    const { account: id, user = null } = request.body;
    const name = knownName(services, request.params);
    const account = await accountOr404(services, id);
    const { resource, isNew } = await resources.put(name, { account: account.id, user });
    return reply.code(isNew ? 201 : 200).send(resourceView(resource));
  });
  app.delete("/admin/resources/:kind/:id", removeResource, async ({ params: name }) => {
    const resource = await resourceOr404(services, name);
    return (await resources.remove(resource)) ? resourceView(resource) : notFound(resource);
  });
}

export async function resourceOr404({ resources }: Services, { kind, id }: ResourceName): Promise<Resource> {
  return (await resources.get({ kind, id })) ?? notFound({ kind, id });
}

export function notFound({ kind }: ResourceName): never {
  reject("not_found", "resource:id", `No such thing of the kind ${kind}`);
}

/** Of a kind that the configuration has, with an id that a thing can have. */
function knownName(services: Services, { kind, id }: ResourceName): ResourceName {
  const fault = nameFault(services, { kind, id });
  return fault === null
    ? { kind, id }
    : refuseBy(
        "resource:name",
        Object.hasOwn(services.settings().resources, kind) ? "params/id" : "params/kind",
        fault,
      );
}

function nameFault(services: Services, { kind, id }: ResourceName): string | null {
  const { resources } = services.settings();
  if (!Object.hasOwn(resources, kind))
    return `Resource ${kind} is not in the configuration; there are ${Object.keys(resources).join(", ") || "none"}`;
  return isResourceId(id) ? null : "An id has no control characters";
}

type Wish = ResourceName & { readonly account: string; readonly user?: string | null };

/** With our ids of accounts; each is looked up once. */
async function ownersOf(services: Services, list: readonly Wish[]): Promise<readonly (ResourceName & Owner)[]> {
  const ids = new Map<string, string>();
  const owners: (ResourceName & Owner)[] = [];
  for (const [index, { kind, id, account: name, user = null }] of list.entries()) {
    const fault = nameFault(services, { kind, id });
    if (fault !== null) rejectAt("malformed_request", index, fault);
    const account = ids.get(name) ?? (await services.accounts.find(name))?.id;
    if (account === undefined) rejectAt("malformed_request", index, `No account ${name}`);
    ids.set(name, account);
    owners.push({ kind, id, account, user });
  }
  return owners;
}

function rejectAt(code: "malformed_request" | "conflict", index: number, detail: string): never {
  rejectWith({ code, rule: "resource:import", detail, fields: { path: `body/resources/${index}` } });
}

function resourceView({ kind, id, account, user, createdAtMs }: Resource): Record<string, unknown> {
  return { kind, id, account, user, createdAt: rfc3339(createdAtMs) };
}

/** No kind has a slash. */
function cursorOf({ kind, id }: ResourceName): string {
  return `${kind}/${id}`;
}

function nameOfCursor(cursor: string): ResourceName {
  const slash = cursor.indexOf("/");
  if (slash === -1) refuseBy("query:cursor", "querystring/cursor", "Expected the nextCursor of a page before");
  return { kind: cursor.slice(0, slash), id: cursor.slice(slash + 1) };
}
