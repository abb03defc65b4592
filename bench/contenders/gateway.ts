/** This gateway, on each of its lanes: bare, and with everything on. One worker, as it has one core. */
import { join } from "node:path";
import { pinned, SERVER_CORE } from "#bench/parts/pin.ts";
import { ACCOUNT, AUDIENCE, ISSUER, type Stage } from "#bench/stage.ts";
import { type Gateway, type GatewayConfig, startGateway } from "#test/support/process.ts";
import { CLIENT_HEADERS, type Contender, PATH, type Running, type Task } from "./contender.ts";

export const ADMIN_TOKEN = "an-admin-token-of-the-benchmark-0123456789";

export type Lane = "auto" | "full";

const LANES = { auto: "fast lane", full: "full lane" } as const;
const WHAT = {
  bare: "",
  key: ": key, role, 3 rates, 2 quotas, metering",
  jwt: ": JWT, role, 3 rates, 2 quotas, metering",
} as const;

export const OWN: readonly Contender[] = (["auto", "full"] as const).flatMap((lane) =>
  (["bare", "key", "jwt"] as const).map((task) => ({
    name: `tollgate ${LANES[lane]}${WHAT[task]}`,
    task,
    own: true,
    version: () => process.versions.node,
    start: (stage: Stage) => start(stage, lane, task),
  })),
);

async function start(stage: Stage, lane: Lane, task: Exclude<Task, "app">): Promise<Running> {
  const config = task === "bare" ? bareConfig(stage, lane) : fullConfig(stage, lane);
  const gateway = await startGateway(config, { wrapper: pinned(SERVER_CORE) });
  try {
    const authorization = task === "bare" ? {} : { authorization: await credential(gateway, stage, task) };
    return {
      url: gateway.url + PATH,
      pid: gateway.pid,
      headers: { ...CLIENT_HEADERS, ...authorization },
      [Symbol.asyncDispose]: () => gateway[Symbol.asyncDispose](),
    };
  } catch (error) {
    await gateway[Symbol.asyncDispose]();
    throw error;
  }
}

async function credential(gateway: Gateway, stage: Stage, task: "key" | "jwt"): Promise<string> {
  if (task === "key") return `Bearer ${await makeKey(gateway)}`;
  await created(gateway, "accounts", "create", "--name", "bench", "--external-id", ACCOUNT);
  return `Bearer ${stage.token}`;
}

/** As an operator would make one. */
export async function makeKey(gateway: Gateway): Promise<string> {
  const account = await created(gateway, "accounts", "create", "--name", "bench");
  const key = await created(gateway, "keys", "create", "--account", String(account.id), "--role", "Developer");
  return String(key.key);
}

async function created(gateway: Gateway, ...command: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const result = await gateway.cli(...command, "--json");
  if (result.code !== 0)
    throw new Error(`"tollgate ${command.join(" ")}" failed with exit ${result.code}: ${result.stderr}`);
  return result.json();
}

function bareConfig({ app }: Stage, lane: Lane): GatewayConfig {
  return {
    server: { workers: 1, lane },
    upstreams: { app: { targets: [app.url] } },
    routes: [{ name: "models", match: { path: "/models/{id}" }, upstream: "app", auth: "none" }],
  };
}

/** Everything on; the limits are real ones that this load cannot reach. `routes`: more routes, in front of the one that is asked for. */
export function fullConfig({ app, dir }: Stage, lane: Lane, routes: readonly object[] = []): GatewayConfig {
  const issuer = { name: "bench", issuer: ISSUER, jwks: `file:${join(dir, "jwks.json")}`, audiences: [AUDIENCE] };
  return {
    server: { workers: 1, lane, adminToken: ADMIN_TOKEN, limits: { bodyBytes: "1GiB" } },
    identity: { issuers: [{ ...issuer, claims: { roles: "roles" } }] },
    roles: { Developer: ["models:*"] },
    rates: {
      second: { limit: 1_000_000, per: "1s", by: "account" },
      minute: { limit: 60_000_000, per: "1m", by: "key" },
      hour: { limit: 1_000_000_000, per: "1h", by: ["account", "route"] },
    },
    meters: { api_calls: {} },
    plans: {
      free: {
        default: true,
        quotas: {
          api_calls: [
            { limit: 100_000_000_000, per: "day" },
            { limit: 1_000_000_000_000, per: "month" },
          ],
        },
      },
    },
    // However many clients there are, nobody is refused.
    upstreams: { app: { targets: [app.url], queue: { max: 20_000, timeout: "60s" } } },
    routes: [
      ...routes,
      {
        name: "models",
        match: { path: "/models/{id}" },
        upstream: "app",
        require: { permissions: ["models:invoke"] },
        rates: ["second", "minute", "hour"],
        meters: { api_calls: 1 },
      },
      {
        name: "files",
        match: { path: "/files/**" },
        upstream: "app",
        rates: ["second", "minute", "hour"],
        meters: { api_calls: 1 },
      },
    ],
  };
}
