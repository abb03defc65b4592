/**
 * The gateway that every operation is called on (`operations.test.ts`) and that everybody calls (`golden-matrix.test.ts`): the admin API
 * on both listeners, an issuer, roles from none to all, a plan with all that answers can show.
 */
import type { ApiDocument } from "#control-plane/openapi/document.ts";
import { ADMIN_ROUTES } from "#config/admin-routes.ts";
import { type Answer, Contract, type Endpoint } from "#test/support/contract.ts";
import { type JwksServer, startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { ADMIN_TOKEN, askJson, type MadeKey, rows, type Scene, startScene, text } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";
import { type Call, type CallWorld, event, OWN_CALLS } from "./operation-calls.ts";
import { RESOURCE_CALLS } from "./operation-calls-resources.ts";
import { ADMIN_CALLS } from "./operation-calls-admin.ts";
import { KEY_CALLS } from "./operation-calls-keys.ts";
import { MEMBER_CALLS, SECRET_CALLS, USER_CALLS } from "./operation-calls-users.ts";

export const CALLS = {
  ...OWN_CALLS,
  ...KEY_CALLS,
  ...USER_CALLS,
  ...MEMBER_CALLS,
  ...SECRET_CALLS,
  ...ADMIN_CALLS,
  ...RESOURCE_CALLS,
};

/** Everything that only reads, by its own permission: there is no pattern for that. */
const READ = ADMIN_ROUTES.flatMap(({ method, permission }) =>
  method === "GET" && permission !== null ? [permission] : [],
);

export const ROLES = {
  User: ["models:read"],
  /** Of a customer: all of their own account, nothing of others. */
  Owner: [
    "*",
    "tollgate:members:read",
    "tollgate:members:write",
    "tollgate:members:any-role",
    "tollgate:resources:share",
  ],
  Viewer: READ,
  Developer: ["models:*", "tollgate:keys:*", "tollgate:usage:write"],
  Admin: [
    "*",
    "tollgate:accounts:*",
    "tollgate:keys:*",
    "tollgate:credits:*",
    "tollgate:users:*",
    "tollgate:members:*",
  ],
  Superadmin: ["*", "tollgate:*"],
};

const quotas = {
  api_calls: [
    { limit: 100_000, per: "month", exceed: "overage", overage: { price: 3, per: 10 } },
    { limit: 90_000, per: "day", by: "key" },
    { limit: 80_000, per: "day", by: "user", grace: 10 },
  ],
  minutes: { limit: 1, per: "month", exceed: "credits", credits: 2 },
};
const plans = {
  free: {
    default: true,
    price: { monthly: 2900, currency: "usd" },
    credits: { amount: 1000, per: "month", rollover: { max: 50 } },
    features: ["models"],
    quotas,
  },
  other: {},
};

/** One of the two listeners, and its document. */
export interface Listener {
  readonly name: string;
  readonly base: string;
  /** Who may everything there. */
  readonly bearer: string;
  readonly contract: Contract;
}

export interface OperationWorld extends CallWorld, AsyncDisposable {
  readonly jwks: JwksServer;
  readonly listeners: readonly Listener[];
}

export async function startOperationWorld(): Promise<OperationWorld> {
  const jwks = await startJwks(makeKey("ES256"));
  const claims = { account: "org", roles: "roles" };
  const issuer = { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims };
  // Impersonation makes tokens of it.
  const local = { name: "local", preset: "local", audiences: ["api"], claims };
  const scene = await startScene({
    config: {
      server: { workers: 2, adminToken: ADMIN_TOKEN, adminOnListen: true },
      identity: {
        issuers: [issuer, local],
        keys: { storage: "retrievable", foreign: [{ prefix: "sk_live_", length: 24 }] },
      },
      roles: ROLES,
      meters: { api_calls: {}, minutes: {}, seats: { aggregate: "last" } },
      plans,
      resources: { models: {} },
    },
  });
  const { gateway, operator } = scene;
  const account = await operator.account({ externalId: "boss-org" });
  const boss = await operator.key({ account, roles: ["Superadmin"] });
  let tokens = 0;
  const token = (user: string, org = "boss-org") => {
    const all = { aud: "api", sub: user, org, roles: ["Superadmin"], jti: `t${++tokens}` };
    return jwks.token({ claims: all });
  };
  const seen = await seenSessions(scene, "seen", token);
  const world: CallWorld = { scene, boss, own: asking(scene, boss), token, seen };
  await useSome(world);
  const listeners = [
    await listenerAt("listen", `${gateway.url}/_tollgate`, boss.secret),
    await listenerAt("admin", gateway.adminUrl ?? "", ADMIN_TOKEN),
  ];
  const end = async () => {
    await scene[Symbol.asyncDispose]();
    await jwks.close();
  };
  return { ...world, jwks, listeners, [Symbol.asyncDispose]: end };
}

function asking({ gateway }: Scene, boss: MadeKey): CallWorld["own"] {
  return (method, path, body, bearer = boss.secret) =>
    askJson(`${gateway.url}/_tollgate${path}`, { method, body, bearer });
}

/** So that there is something to show: usage of a key and a user on a route, a threshold that was crossed. */
async function useSome({ scene, boss, own, token }: CallWorld): Promise<void> {
  for (const bearer of [boss.secret, token("ada")])
    await fetch(`${scene.gateway.url}/x`, { headers: { authorization: `Bearer ${bearer}` } });
  await own("POST", "/usage/events", event({ data: { value: 2 } }));
}

const SESSIONS = 100;

async function seenSessions(
  { gateway, operator }: Scene,
  user: string,
  token: (user: string) => string,
): Promise<CallWorld["seen"]> {
  for (let number = 0; number < SESSIONS; number++)
    await fetch(`${gateway.url}/x`, { headers: { authorization: `Bearer ${token(user)}` } });
  const ids = await until("sessions are listed", async () => {
    const { status, body } = await operator.call("GET", `/admin/users/${user}/sessions`);
    const list = status === 200 ? rows(body, "data") : [];
    return list.length >= SESSIONS ? list.map((session) => text(session, "id")) : null;
  });
  const session = () => ids.pop() ?? fail("More sessions are asked for than there are");
  return { user, session };
}

function fail(words: string): never {
  throw new Error(words);
}

async function listenerAt(name: string, base: string, bearer: string): Promise<Listener> {
  // `docs-page.test.ts` has that it is one.
  const document = (await (await fetch(`${base}/openapi.json`)).json()) as ApiDocument;
  return { name, base, bearer, contract: new Contract(document) };
}

/** `bearer` null: nobody; left out, who may everything there, or whom the call names. */
export async function ask(
  at: Listener,
  { method, path }: Endpoint,
  call: Omit<Call, "status">,
  bearer: string | null = call.bearer ?? at.bearer,
): Promise<Answer> {
  const target = path.replaceAll(/\{(\w+)\}/g, (_, name: string) => encodeURIComponent(call.params?.[name] ?? "none"));
  const answer = await fetch(`${at.base}${target}${call.query === undefined ? "" : `?${call.query}`}`, {
    method,
    headers: {
      ...(bearer === null ? {} : { authorization: `Bearer ${bearer}` }),
      ...(call.body === undefined ? {} : { "content-type": call.type ?? "application/json" }),
    },
    ...(call.body === undefined ? {} : { body: typeof call.body === "string" ? call.body : JSON.stringify(call.body) }),
  });
  const [type, content] = [answer.headers.get("content-type"), await answer.text()];
  return { status: answer.status, type, body: type?.includes("json") === true ? JSON.parse(content) : content };
}
