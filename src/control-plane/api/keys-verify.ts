/**
 * `POST /keys/verify`: a service that does not stand behind the gateway asks whether a key is good. Main thread. Whoever may ask may ask
 * about keys of every account. Counts nothing: neither usage, nor rates, nor when the key was last used.
 */
import type { TypeBoxTypeProvider } from "@fastify/type-provider-typebox";
import type { FastifyInstance } from "fastify";
import Type, { type Static } from "typebox";
import { canonicalAddress } from "#core/addresses.ts";
import { rfc3339, wallMs } from "#core/clock.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Settings } from "#config/settings.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import { planOf } from "#control-plane/accounts/account-plan.ts";
import type { ApiKey } from "#control-plane/accounts/api-key.ts";
import { type KeyUse, keyRefusal, permissionsOf } from "#control-plane/accounts/key-verdict.ts";
import { keyOfSecret } from "./key-of-secret.ts";
import { METHODS } from "./key-schemas.ts";
import { operation } from "./operation.ts";
import { refuseBy } from "./problems.ts";
import { nullable, strict, Time, word, words } from "./schemas.ts";
import type { Services } from "./services.ts";

const Body = Type.Object(
  {
    key: Type.String({ minLength: 1, maxLength: 512 }),
    permissions: Type.Optional(words),
    scopes: Type.Optional(words),
    route: Type.Optional(word),
    method: Type.Optional(Type.Enum([...METHODS])),
    address: Type.Optional(Type.String({ minLength: 2, maxLength: 50 })),
  },
  strict,
);

const text = nullable(Type.String());
const texts = Type.Array(Type.String());
const Answer = Type.Object({
  valid: Type.Boolean(),
  code: text,
  detail: text,
  keyId: text,
  account: text,
  externalId: text,
  name: text,
  env: text,
  roles: texts,
  permissions: texts,
  scopes: nullable(texts),
  plan: text,
  expiresAt: nullable(Time),
  retiresAt: nullable(Time),
});

const verify = operation(
  { id: "verifyKey", summary: "Say whether a key is good, of whom it is and what it may", tag: "API keys" },
  { body: Body },
  { 200: Answer },
);

export function registerVerify(plain: FastifyInstance, services: Services): void {
  const app = plain.withTypeProvider<TypeBoxTypeProvider>();
  app.post("/keys/verify", verify, async (request, reply) => {
    const settings = services.settings();
    const use = useOf(request.body, settings);
    reply.header("cache-control", "no-store");
    const { key, fault } = await keyOfSecret(services, request.body.key);
    if (key === null) return view(refuse("not_found", "key:unknown", "API key is not known"), null);
    const account = await services.accounts.byId(key.accountId);
    const refusal =
      fault === "environment"
        ? refuse("credentials_invalid", "key:environment", "This gateway takes no API keys of that environment")
        : keyRefusal(key, account, use, settings, wallMs());
    return view(refusal, { key, account, settings });
  });
}

function useOf(body: Static<typeof Body>, { routes }: Settings): KeyUse {
  const route = routes.find(({ name }) => name === body.route) ?? null;
  if (body.route !== undefined && route === null)
    refuseBy("schema:body/route", "body/route", `Route ${body.route} is not in the configuration`);
  const address = body.address === undefined ? null : canonicalAddress(body.address);
  if (body.address !== undefined && address === null)
    refuseBy("schema:body/address", "body/address", "Expected an IP address in address");
  const { permissions = [], scopes = [], method = null } = body;
  return { permissions, scopes, route, method, address };
}

interface Known {
  readonly key: ApiKey;
  readonly account: Account | null;
  readonly settings: Settings;
}

/** The same members whatever is answered. */
function view(refusal: Refusal | null, known: Known | null): Record<string, unknown> {
  const key = known?.key;
  return {
    valid: refusal === null,
    code: refusal?.code ?? null,
    detail: refusal?.detail ?? null,
    keyId: key?.id ?? null,
    account: key?.accountId ?? null,
    externalId: known?.account?.externalId ?? null,
    name: key?.name ?? null,
    env: key?.env ?? null,
    roles: key?.roles ?? [],
    permissions: known === null ? [] : permissionsOf(known.key, known.settings),
    scopes: key?.scopes ?? null,
    plan: known === null ? null : planOf(known.settings, known.account?.plan ?? null).id,
    expiresAt: timeOrNull(key?.expiresAtMs),
    retiresAt: timeOrNull(key?.retiresAtMs),
  };
}

function timeOrNull(ms: number | null | undefined): string | null {
  return ms === null || ms === undefined ? null : rfc3339(ms);
}
