/** `/admin/keys`: API keys of all accounts. Main thread. */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import { accountOr404 } from "./found.ts";
import { checkHandOut } from "./hand-out.ts";
import { KeyBody, KeyLookup, KeyPage } from "./key-schemas.ts";
import { operatorKey } from "./key-wishes.ts";
import { reject } from "./problems.ts";
import { IdParams } from "./schemas.ts";
import type { Services } from "./services.ts";
import { accountView, keyView, pageView } from "./views.ts";

export function registerAdminKeys(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.get("/admin/keys", { schema: { querystring: KeyPage } }, async (request) => {
    const { limit, cursor, account } = request.query;
    const accountId = account === undefined ? null : (await accountOr404(services, account)).id;
    return pageView(await services.keys.list(accountId, limit + 1, cursor ?? null), limit, keyView);
  });
  app.post("/admin/keys", { schema: { body: KeyBody } }, async (request, reply) => {
    const { account: id, ...wish } = request.body;
    const account = await accountOr404(services, id);
    const settings = services.settings();
    const wanted = operatorKey(wish, account.id, settings);
    await checkHandOut(request, services, wanted.roles);
    const made = await services.keys.create(settings.identity.keys.brand, wanted);
    return reply
      .code(201)
      .header("cache-control", "no-store")
      .send({ ...keyView(made.key), key: made.secret });
  });
  app.post("/admin/keys/lookup", { schema: { body: KeyLookup } }, async (request) => {
    const key = await services.keys.bySecret(request.body.key);
    if (key === null) reject("not_found", "key:unknown", "No key with this secret");
    return { key: keyView(key), account: accountView(await accountOr404(services, key.accountId)) };
  });
  app.get("/admin/key-sets", async () => services.keySets.current());
  app.delete("/admin/keys/:id", { schema: { params: IdParams } }, async (request) => {
    const key = await services.keys.revoke(request.params.id, null);
    return key === null ? reject("not_found", "key:id", `No key ${request.params.id}`) : keyView(key);
  });
}
