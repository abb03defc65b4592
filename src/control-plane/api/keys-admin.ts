/** `/admin/keys`: API keys of all accounts. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type from "typebox";
import { rfc3339 } from "#core/clock.ts";
import type { ApiKey } from "#control-plane/accounts/api-key.ts";
import { accountOr404, liveAccount } from "./found.ts";
import { keyHandOut } from "./hand-out.ts";
import {
  KeyAnswer,
  KeyBody,
  KeyLookup,
  KeyLookupAnswer,
  KeyPage,
  KeyPatch,
  KeyWithSecretAnswer,
  RevealedAnswer,
  RotateBody,
} from "./key-schemas.ts";
import { keyOfSecret } from "./key-of-secret.ts";
import { revealed, shownKey, shownPage, unreadable, withSecret } from "./key-views.ts";
import { operatorKey, readChange, readOverlap } from "./key-wishes.ts";
import { bodyOptional, operation } from "./operation.ts";
import { reject } from "./problems.ts";
import { IdParams, nullable, pageOf } from "./schemas.ts";
import type { Services } from "./services.ts";
import { accountView } from "./views.ts";

const tag = "API keys";

const PublicKeyAnswer = Type.Object({
  kid: nullable(Type.String()),
  algorithms: Type.Array(Type.String()),
  jwk: Type.Record(Type.String(), Type.Unknown()),
});

const listKeys = operation(
  { id: "listKeys", summary: "List keys of all accounts, masked", tag },
  { querystring: KeyPage },
  { 200: pageOf(KeyAnswer) },
);
const createKey = operation(
  { id: "createKey", summary: "Make a key of an account", tag },
  { body: KeyBody },
  { 201: KeyWithSecretAnswer },
);
const lookUpKey = operation(
  { id: "lookUpKey", summary: "Find the key of a secret", tag },
  { body: KeyLookup },
  { 200: KeyLookupAnswer },
);
const showKey = operation(
  { id: "getKey", summary: "Show a key, masked", tag },
  { params: IdParams },
  { 200: KeyAnswer },
);
const changeKey = operation(
  {
    id: "updateKey",
    summary: "Rename, narrow, enable or disable a key, or change its life",
    tag,
    errors: ["conflict"],
  },
  { params: IdParams, body: KeyPatch },
  { 200: KeyAnswer },
);
const rotateKey = operation(
  {
    id: "rotateKey",
    summary: "Give a key a new secret; the old one stays good for a while",
    tag,
    errors: ["conflict"],
  },
  { params: IdParams, body: RotateBody },
  { 200: KeyWithSecretAnswer },
);
const revealKey = operation(
  { id: "revealKey", summary: "Show the secret of a key again", tag, errors: ["conflict", "secret_unavailable"] },
  { params: IdParams },
  { 200: RevealedAnswer },
);
const revokeKey = operation(
  { id: "revokeKey", summary: "Revoke a key for good", tag },
  { params: IdParams },
  { 200: KeyAnswer },
);
const showKeySets = operation(
  { id: "getKeySets", summary: "Show the public keys of all issuers, as the workers have them", tag: "Identity" },
  {},
  { 200: Type.Record(Type.String(), Type.Array(PublicKeyAnswer)) },
);

export function registerAdminKeys(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  const { keys } = services;
  app.get("/admin/keys", listKeys, async (request) => {
    const { limit, cursor, account, ...filter } = request.query;
    const accountId = account === undefined ? undefined : (await accountOr404(services, account)).id;
    return shownPage(services, { ...filter, accountId }, limit, cursor);
  });
  app.post("/admin/keys", createKey, async (request, reply) => {
    const { account: id, ...wish } = request.body;
    const account = await liveAccount(services, id);
    const settings = services.settings();
    const wanted = operatorKey(wish, account.id, settings);
    const check = await keyHandOut(request, services);
    check(wanted);
    return withSecret(services, reply.code(201), await keys.create(settings.identity.keys.format, wanted));
  });
  app.post("/admin/keys/lookup", lookUpKey, async (request) => {
    const { key } = await keyOfSecret(services, request.body.key);
    if (key === null) reject("not_found", "key:unknown", "No key with this secret");
    const account = await accountOr404(services, key.accountId);
    const retiresAt = key.retiresAtMs === null ? null : rfc3339(key.retiresAtMs);
    return { key: await shownKey(services, key), account: accountView(account), retiresAt };
  });
  app.get("/admin/key-sets", showKeySets, async () => services.keySets.current());
  app.get("/admin/keys/:id", showKey, async (request) =>
    shownKey(services, await keyOr404(services, request.params.id)),
  );
  app.patch("/admin/keys/:id", changeKey, async (request) => {
    const { id } = request.params;
    const check = await keyHandOut(request, services);
    const changed = await keys.change(id, readChange(request.body, services.settings()), (key, after) => {
      check(key);
      check(after);
    });
    return shownKey(services, changed ?? unknownKey(id));
  });
  app.post("/admin/keys/:id/rotate", bodyOptional(rotateKey), async (request, reply) => {
    const { id } = request.params;
    const check = await keyHandOut(request, services);
    const rotation = { format: services.settings().identity.keys.format, overlapMs: readOverlap(request.body.overlap) };
    return withSecret(services, reply, (await keys.rotate(id, rotation, check)) ?? unknownKey(id));
  });
  app.post("/admin/keys/:id/reveal", revealKey, async (request, reply) => {
    const { id } = request.params;
    const secret = await services.reveal.reveal(id, await keyHandOut(request, services));
    return revealed(reply, secret ?? (secret === null ? unknownKey(id) : unreadable()));
  });
  app.delete("/admin/keys/:id", revokeKey, async (request) => {
    const { id } = request.params;
    return shownKey(services, (await keys.revoke(id, null)) ?? unknownKey(id));
  });
}

async function keyOr404(services: Services, id: string): Promise<ApiKey> {
  return (await services.keys.byId(id)) ?? unknownKey(id);
}

function unknownKey(id: string): never {
  return reject("not_found", "key:id", `No key ${id}`);
}
