/**
 * What is measured: the bare upstream, and the gateway in front of it with three configurations. Starts the processes of a
 * scenario and makes its credentials through the command line, as an operator would. Does not generate load.
 */
import { type Gateway, type GatewayConfig, startGateway } from "#test/support/process.ts";
import { pinned, SERVER_CORE, SIDE_CORE } from "./pin.ts";
import { startBareUpstream } from "./upstream-process.ts";

export interface Target extends AsyncDisposable {
  readonly url: string;
  /** Process whose CPU time is counted. */
  readonly pid: number;
  readonly headers: Readonly<Record<string, string>>;
}

export interface Scenario {
  readonly name: string;
  start(): Promise<Target>;
}

/** Gives the headers a request needs, after the gateway is up. */
type Credentials = (gateway: Gateway) => Promise<Readonly<Record<string, string>>>;

export const SCENARIOS: readonly Scenario[] = [
  { name: "upstream bare", start: startUpstreamAlone },
  { name: "gateway bare", start: () => startBehindGateway(bareConfig, async () => ({})) },
  { name: "gateway key+rate+quota+metering", start: () => startBehindGateway(fullConfig, withKey) },
  { name: "gateway jwt+rate+quota+metering", start: () => startBehindGateway(fullConfig, withToken) },
];

async function startUpstreamAlone(): Promise<Target> {
  const upstream = await startBareUpstream(SERVER_CORE);
  return { ...upstream, headers: {}, [Symbol.asyncDispose]: () => upstream[Symbol.asyncDispose]() };
}

async function startBehindGateway(config: (upstream: string) => GatewayConfig, sign: Credentials): Promise<Target> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startBareUpstream(SIDE_CORE));
  const gateway = stack.use(await startGateway(config(upstream.url), { wrapper: pinned(SERVER_CORE) }));
  const headers = await sign(gateway);
  const owned = stack.move();
  return {
    url: `${gateway.url}/models/m1`,
    pid: gateway.pid,
    headers,
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

const withKey: Credentials = async (gateway) => {
  const account = await created(gateway, "accounts", "create", "--name", "bench");
  const key = await created(gateway, "keys", "create", "--account", String(account.id), "--role", "Developer");
  return { authorization: `Bearer ${String(key.key)}` };
};

const withToken: Credentials = async (gateway) => {
  await created(gateway, "accounts", "create", "--name", "bench", "--external-id", "bench");
  const { code, stdout, stderr } = await gateway.cli("token", "--account", "bench", "--role", "Developer");
  if (code !== 0) throw new Error(`"tollgate token" failed with exit ${code}: ${stderr}`);
  return { authorization: `Bearer ${stdout.trim()}` };
};

async function created(gateway: Gateway, ...command: readonly string[]): Promise<Readonly<Record<string, unknown>>> {
  const result = await gateway.cli(...command, "--json");
  if (result.code !== 0)
    throw new Error(`"tollgate ${command.join(" ")}" failed with exit ${result.code}: ${result.stderr}`);
  return result.json();
}

/** One worker, as it has one core; a first route that any caller may use. */
function bareConfig(upstream: string): GatewayConfig {
  return {
    server: { workers: 1 },
    upstreams: { app: { targets: [upstream] } },
    routes: [{ name: "models", match: { path: "/models/{id}" }, upstream: "app", auth: "none" }],
  };
}

/** Everything on; the limits are real ones that this load cannot reach. */
function fullConfig(upstream: string): GatewayConfig {
  return {
    server: { workers: 1 },
    identity: { issuers: [{ name: "local", preset: "local", audiences: ["bench"], claims: { roles: "roles" } }] },
    roles: { Developer: ["models:*"] },
    rates: { api: { limit: 1_000_000, per: "1s" } },
    meters: { api_calls: {} },
    plans: { free: { default: true, quotas: { api_calls: { limit: 1_000_000_000_000, per: "month" } } } },
    upstreams: { app: { targets: [upstream] } },
    routes: [
      {
        name: "models",
        match: { path: "/models/{id}" },
        upstream: "app",
        require: { permissions: ["models:invoke"] },
        rates: ["api"],
        meters: { api_calls: 1 },
      },
    ],
  };
}
