/** `/api-keys`: a customer's own keys. Main thread. Who may do what with which key: `key-power.ts`. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance, FastifyRequest } from "fastify";
import { UNNARROWED } from "#shared/principals.ts";
import type { ApiKey } from "#control-plane/accounts/api-key.ts";
import { callerOf } from "./caller.ts";
import {
  beyond,
  callingPower,
  changeRefusal,
  type KeyOwner,
  revealRefusal,
  revocationRefusal,
  secretRefusal,
} from "./key-power.ts";
import {
  KeyAnswer,
  KeyPatch,
  KeyWithSecretAnswer,
  OwnKeyBody,
  OwnKeyPage,
  RevealedAnswer,
  RotateBody,
} from "./key-schemas.ts";
import { revealed, shownKey, shownPage, unreadable, withSecret } from "./key-views.ts";
import { ownKey, readChange, readOverlap } from "./key-wishes.ts";
import { bodyOptional, operation } from "./operation.ts";
import { limitsOf } from "./limits-of.ts";
import { reject, rejectWith } from "./problems.ts";
import { IdParams, pageOf } from "./schemas.ts";
import type { Services } from "./services.ts";

const tag = "API keys";

const listKeys = operation(
  { id: "listOwnKeys", summary: "List the account's keys, masked", tag },
  { querystring: OwnKeyPage },
  { 200: pageOf(KeyAnswer) },
);
const createKey = operation(
  { id: "createOwnKey", summary: "Make a key that may at most what its maker may", tag },
  { body: OwnKeyBody },
  { 201: KeyWithSecretAnswer },
);
const showKey = operation(
  { id: "getOwnKey", summary: "Show a key, masked", tag },
  { params: IdParams },
  { 200: KeyAnswer },
);
const changeKey = operation(
  {
    id: "updateOwnKey",
    summary: "Rename, narrow, enable or disable a key, or change its life",
    tag,
    errors: ["conflict"],
  },
  { params: IdParams, body: KeyPatch },
  { 200: KeyAnswer },
);
const rotateKey = operation(
  {
    id: "rotateOwnKey",
    summary: "Give a key a new secret; the old one stays good for a while",
    tag,
    errors: ["conflict"],
  },
  { params: IdParams, body: RotateBody },
  { 200: KeyWithSecretAnswer },
);
const revealKey = operation(
  { id: "revealOwnKey", summary: "Show the secret of a key again", tag, errors: ["conflict", "secret_unavailable"] },
  { params: IdParams },
  { 200: RevealedAnswer },
);
const revokeKey = operation(
  { id: "revokeOwnKey", summary: "Revoke a key for good", tag },
  { params: IdParams },
  { 200: KeyAnswer },
);

export function registerOwnKeys(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { keys } = services;
  app.get("/api-keys", listKeys, async (request) => {
    const { account } = await callerOf(request, services);
    const { limit, cursor, ...filter } = request.query;
    return shownPage(services, { ...filter, accountId: account.id }, limit, cursor);
  });
  app.post("/api-keys", createKey, async (request, reply) => {
    const settings = services.settings();
    const wanted = ownKey(request.body, await ownerOf(request, services), settings);
    const made = await keys.create(settings.identity.keys.format, wanted);
    return withSecret(services, reply.code(201), made);
  });
  app.get("/api-keys/:id", showKey, async (request) => {
    const { account } = await callerOf(request, services);
    const { id } = request.params;
    const key = await keys.byId(id);
    return key === null || key.accountId !== account.id ? unknownKey(id) : shownKey(services, key);
  });
  app.patch("/api-keys/:id", changeKey, async (request) => {
    const owner = await ownerOf(request, services);
    const { id } = request.params;
    const change = readChange(request.body, services.settings());
    const changed = await keys.change(id, change, (key, after) => {
      if (key.accountId !== owner.accountId) unknownKey(id);
      const refusal = changeRefusal(owner, key, after);
      if (refusal !== null) rejectWith(refusal);
    });
    return changed === null ? unknownKey(id) : shownKey(services, changed);
  });
  app.post("/api-keys/:id/rotate", bodyOptional(rotateKey), async (request, reply) => {
    const owner = await ownerOf(request, services);
    const { id } = request.params;
    const rotation = { format: services.settings().identity.keys.format, overlapMs: readOverlap(request.body.overlap) };
    const rotated = await keys.rotate(id, rotation, (key) => {
      if (key.accountId !== owner.accountId) unknownKey(id);
      // Who gets the secret may what the key may.
      const refusal = secretRefusal(owner, key) ?? beyond(owner.power, key);
      if (refusal !== null) rejectWith(refusal);
    });
    return rotated === null ? unknownKey(id) : withSecret(services, reply, rotated);
  });
  app.post("/api-keys/:id/reveal", revealKey, async (request, reply) => {
    const owner = await ownerOf(request, services);
    const { id } = request.params;
    const secret = await services.reveal.reveal(id, (key) => {
      if (key.accountId !== owner.accountId) unknownKey(id);
      const refusal = revealRefusal(owner, key);
      if (refusal !== null) rejectWith(refusal);
    });
    return revealed(reply, secret ?? (secret === null ? unknownKey(id) : unreadable()));
  });
  app.delete("/api-keys/:id", revokeKey, async (request) => {
    const owner = await ownerOf(request, services);
    const { id } = request.params;
    const key = await keys.byId(id);
    if (key === null || key.accountId !== owner.accountId) unknownKey(id);
    const refusal = revocationRefusal(owner, key);
    if (refusal !== null) rejectWith(refusal);
    return shownKey(services, (await keys.revoke(id, owner.accountId)) ?? key);
  });
}

function unknownKey(id: string): never {
  return reject("not_found", "key:id", `No key ${id} in this account`);
}

/** What the caller may hand on: roles and scopes as the worker saw them, the rest from the key; limits from it or the member. */
async function ownerOf(request: FastifyRequest, services: Services): Promise<KeyOwner> {
  const { account, user, roles, scopes, keyId, secretRetiresMs } = await callerOf(request, services);
  const key: ApiKey | null = keyId === null ? null : await services.keys.byId(keyId);
  const { expiresAtMs = null, narrowing = UNNARROWED } = key ?? {};
  const [own] = (await limitsOf(services, { account, keyId, user })) ?? [];
  const limits = own?.limits ?? null;
  const power = callingPower({ roles, scopes, expiresAtMs, narrowing, limits }, secretRetiresMs);
  return { accountId: account.id, keyId, power };
}
