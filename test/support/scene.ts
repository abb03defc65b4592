/**
 * What most black-box tests start from: an upstream, a gateway of two workers before it, and an operator who makes accounts
 * and keys through the admin listener. Does not check anything by itself.
 */
import { type Gateway, type GatewayOptions, startGateway } from "./process.ts";
import { startUpstream, type Upstream, type UpstreamHandler } from "./upstream.ts";

export const ADMIN_TOKEN = "an-admin-token-for-tests-0123456789";

type Json = Readonly<Record<string, unknown>>;

export interface JsonAnswer {
  readonly status: number;
  readonly headers: Headers;
  readonly body: Json;
}

export interface MadeKey {
  readonly id: string;
  readonly account: string;
  readonly secret: string;
  /** `Authorization: Bearer SECRET`, a header line. */
  readonly line: string;
}

export interface KeyWish {
  /** Account id or external id; left out, a new account. */
  readonly account?: string;
  readonly roles?: readonly string[];
  readonly scopes?: readonly string[];
  readonly expires?: string;
  /** As the admin API takes them. */
  readonly limits?: Json;
}

/** Speaks to the admin listener. */
export interface Operator {
  call(method: string, path: string, body?: unknown): Promise<JsonAnswer>;
  /** Makes an account and gives its id. */
  account(wish?: Json): Promise<string>;
  key(wish?: KeyWish): Promise<MadeKey>;
  /** Units the account has used of a meter in its window. */
  used(account: string, meter?: string): Promise<number>;
}

export interface Scene extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly upstream: Upstream;
  readonly operator: Operator;
}

export interface SceneOptions {
  /** Top-level parts of gateway.yaml, over `sceneConfig`. */
  readonly config?: Json;
  readonly handler?: UpstreamHandler;
  /** More keys of the upstream `app`; of no use where `config` has upstreams. */
  readonly upstream?: Json;
  /** Where the gateway sends requests; left out, to the scene's own upstream. */
  readonly target?: string;
  readonly gateway?: GatewayOptions;
}

export async function startScene(options: SceneOptions = {}): Promise<Scene> {
  const upstream = await startUpstream(options.handler);
  try {
    const target = options.target ?? upstream.url;
    const upstreams = { app: { targets: [target], ...options.upstream } };
    const config = { ...sceneConfig(target), upstreams, ...options.config };
    const gateway = await startGateway(config, options.gateway);
    return { gateway, upstream, operator: operatorOf(gateway), [Symbol.asyncDispose]: () => endAll(gateway, upstream) };
  } catch (error) {
    await upstream.close();
    throw error;
  }
}

async function endAll(...parts: readonly AsyncDisposable[]): Promise<void> {
  await Promise.all(parts.map((part) => part[Symbol.asyncDispose]()));
}

/** One route that takes everything, asks for a credential and costs one `api_calls`, which nothing limits. */
export function sceneConfig(target: string): Json {
  return {
    server: { workers: 2, adminToken: ADMIN_TOKEN },
    roles: { Admin: ["*"], User: ["models:read"] },
    meters: { api_calls: {} },
    plans: { free: { default: true, quotas: { api_calls: { limit: null, per: "month" } } } },
    upstreams: { app: { targets: [target] } },
    routes: [{ name: "all", match: { path: "/**" }, upstream: "app", meters: { api_calls: 1 } }],
  };
}

export function operatorOf(gateway: Gateway): Operator {
  const call: Operator["call"] = (method, path, body) =>
    askJson(`${gateway.adminUrl}${path}`, { method, body, bearer: ADMIN_TOKEN });
  const made = async (path: string, body: Json): Promise<Json> => {
    const answer = await call("POST", path, body);
    if (answer.status !== 201) throw new Error(`${path} answered ${answer.status}: ${JSON.stringify(answer.body)}`);
    return answer.body;
  };
  const account: Operator["account"] = async (wish = {}) =>
    text(await made("/admin/accounts", { name: "A", ...wish }), "id");
  return {
    call,
    account,
    async key(wish = {}) {
      const key = await made("/admin/keys", { roles: ["Admin"], ...wish, account: wish.account ?? (await account()) });
      const secret = text(key, "key");
      return { id: text(key, "id"), account: text(key, "account"), secret, line: `Authorization: Bearer ${secret}` };
    },
    async used(id, meter = "api_calls") {
      const { body } = await call("GET", `/admin/accounts/${id}/usage`);
      const line = rows(body, "meters").find((row) => row.meter === meter);
      if (typeof line?.used !== "number") throw new Error(`No usage of ${meter}: ${JSON.stringify(body)}`);
      return line.used;
    },
  };
}

/** Sends and reads JSON; an answer that is none has the body `{}`. */
export async function askJson(
  url: string,
  ask: { readonly method?: string; readonly body?: unknown; readonly bearer?: string } = {},
): Promise<JsonAnswer> {
  const { method = "GET", body, bearer } = ask;
  const answer = await fetch(url, {
    method,
    headers: {
      ...(bearer === undefined ? {} : { authorization: `Bearer ${bearer}` }),
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    },
    ...(body === undefined ? {} : { body: typeof body === "string" ? body : JSON.stringify(body) }),
  });
  const content = await answer.text();
  const isJson = answer.headers.get("content-type")?.includes("json") === true;
  return { status: answer.status, headers: answer.headers, body: isJson ? JSON.parse(content) : {} };
}

/** The text of a member; throws with the whole object when it is none. */
export function text(object: Json, name: string): string {
  const value = object[name];
  if (typeof value !== "string") throw new Error(`No text in "${name}": ${JSON.stringify(object)}`);
  return value;
}

/** The list of objects in a member. */
export function rows(object: Json, name: string): readonly Json[] {
  const value = object[name];
  if (!Array.isArray(value)) throw new Error(`No list in "${name}": ${JSON.stringify(object)}`);
  return value;
}

/** What a caller is told at `/x`, each answer once: `200`, or status, code and rule. Enough connections that all workers answer some. */
export async function answersOfAll({ url }: Pick<Gateway, "url">, bearer: string): Promise<readonly string[]> {
  const all = await Promise.all(
    Array.from({ length: 8 }, async () => {
      const { status, body } = await askJson(`${url}/x`, { bearer });
      return status === 200 ? "200" : `${status} ${String(body.error)} ${String(body.rule)}`;
    }),
  );
  return [...new Set(all)];
}
