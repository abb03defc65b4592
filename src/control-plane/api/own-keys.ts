/** `/api-keys`: a customer's own keys. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { callerOf } from "./caller.ts";
import { OwnKeyBody } from "./key-schemas.ts";
import { mayRevoke, ownKey } from "./key-wishes.ts";
import { reject } from "./problems.ts";
import { IdParams, Page } from "./schemas.ts";
import type { Services } from "./services.ts";
import { keyView, pageView } from "./views.ts";

export function registerOwnKeys(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/api-keys", { schema: { querystring: Page } }, async (request) => {
    const { account } = await callerOf(request, services);
    const { limit, cursor } = request.query;
    return pageView(await services.keys.list(account.id, limit + 1, cursor ?? null), limit, keyView);
  });
  app.post("/api-keys", { schema: { body: OwnKeyBody } }, async (request, reply) => {
    const { account, roles, scopes, keyId } = await callerOf(request, services);
    const key = keyId === null ? null : await services.keys.byId(keyId);
    const settings = services.settings();
    const wanted = ownKey(request.body, { accountId: account.id, roles, scopes, key }, settings);
    const made = await services.keys.create(settings.identity.keys.brand, wanted);
    return reply
      .code(201)
      .header("cache-control", "no-store")
      .send({ ...keyView(made.key), key: made.secret });
  });
  app.delete("/api-keys/:id", { schema: { params: IdParams } }, async (request) => {
    const caller = await callerOf(request, services);
    const key = await services.keys.byId(request.params.id);
    if (key === null || key.accountId !== caller.account.id) {
      reject("not_found", "key:id", `No key ${request.params.id} in this account`);
    }
    if (!mayRevoke(caller, key))
      reject("permission_denied", "key:role", "That key may more than the one it is to be revoked with");
    return keyView((await services.keys.revoke(key.id, caller.account.id)) ?? key);
  });
}
