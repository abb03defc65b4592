/** Two gateways that differ in nothing but their lane, each before an upstream of its own, and what each has counted. */
import { type Gateway, startGateway } from "#test/support/process.ts";
import { ADMIN_TOKEN, type MadeKey, type Operator, operatorOf, rows } from "#test/support/scene.ts";
import { type LaneUpstream, startLaneUpstream } from "./upstream.ts";

export const LANES = ["auto", "full"] as const;
export type LaneName = (typeof LANES)[number];

const EVER = "from=2000-01-01T00:00:00Z&to=2100-01-01T00:00:00Z&limit=1000";

/** Of a request with several faults the lanes may name another one: `compare.ts`. */
const FAULT = /malformed_request|headers_too_large|body_too_large/;

export interface Lane extends AsyncDisposable {
  readonly name: LaneName;
  readonly gateway: Gateway;
  readonly upstream: LaneUpstream;
  readonly operator: Operator;
}

export async function startLane(name: LaneName): Promise<Lane> {
  const upstream = await startLaneUpstream();
  const gateway = await startGateway(configOf(name, upstream.url));
  const close = async () => {
    await gateway[Symbol.asyncDispose]();
    await upstream[Symbol.asyncDispose]();
  };
  return { name, gateway, upstream, operator: operatorOf(gateway), [Symbol.asyncDispose]: close };
}

function configOf(lane: LaneName, target: string): Record<string, unknown> {
  const charged = { upstream: "app", meters: { api_calls: 1 } };
  return {
    server: { workers: 1, adminToken: ADMIN_TOKEN, lane, limits: { headerBytes: "8KiB", bodyBytes: 4000 } },
    roles: { Admin: ["*"], User: ["models:read"] },
    rates: { slow: { limit: 1, per: "30d", burst: 2, by: "ip" } },
    concurrency: { single: { limit: 1 } },
    meters: { api_calls: {}, few: {}, tokens: { from: "response.json:usage.tokens", fallback: 3 } },
    plans: { free: { default: true, quotas: { few: { limit: 5, per: "lifetime" }, api_calls: { limit: 1_000_000, per: "lifetime" } } } },
    upstreams: { app: { targets: [target] }, shut: { targets: ["http://127.0.0.1:1"] } },
    routes: [
      { name: "role", match: { path: "/role" }, require: { roles: ["Admin"] }, ...charged },
      { name: "few", match: { path: "/few" }, upstream: "app", meters: { few: 1 }, countWhen: "2xx" },
      { name: "rated", match: { path: "/rated" }, rates: ["slow"], auth: "optional", ...charged },
      { name: "get", match: { path: "/get", methods: ["GET"] }, ...charged },
      { name: "one", match: { path: "/one" }, concurrency: ["single"], ...charged },
      { name: "shut", match: { path: "/shut" }, auth: "optional", upstream: "shut", meters: { api_calls: 1 } },
      { name: "key", match: { path: "/key/**" }, ...charged },
      { name: "measured", match: { path: "/measured/**" }, upstream: "app", meters: { tokens: "measured" } },
      { name: "open", match: { path: "/**" }, auth: "none", upstream: "app" },
    ],
  }; // biome-ignore format: a table
}

/** A key of a new account. */
export function makeKey({ operator }: Lane): Promise<MadeKey> {
  return operator.key({ roles: ["User"] });
}

/** What a gateway has counted, as lines: refusals and requests of its metrics, and the ledger's units of some accounts. */
export async function countsOf(
  { gateway, operator }: Lane,
  keys: readonly MadeKey[],
): Promise<ReadonlyMap<string, number>> {
  const text = await (await fetch(`${gateway.adminUrl}/metrics`)).text();
  const counted = /^(tollgate_(?:requests|refusals|journal_records|client_aborts|meter_faults)_total\S*) (\d+)$/gm;
  const counts = new Map<string, number>();
  const add = (series: string, value: number) => counts.set(series, (counts.get(series) ?? 0) + value);
  for (const [, series = "", value] of text.matchAll(counted)) add(series.replace(FAULT, "any fault"), Number(value));
  for (const [slot, { account }] of keys.entries()) {
    const { body } = await operator.call("GET", `/admin/usage?account=${account}&${EVER}`);
    for (const row of rows(body, "data")) {
      add(`ledger of slot ${slot}: ${row.route} ${row.meter}`, Number(row.units));
    }
  }
  return counts;
}
