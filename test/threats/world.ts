/**
 * A gateway with everything around it, real processes and sockets: an upstream that counts, an issuer, two tenants with keys.
 * One world serves all rows of a file; a row that changes state starts its own. Attacks nothing.
 */
import { type Gateway, startGateway } from "#test/support/process.ts";
import { type JwksServer, startJwks } from "#test/support/jwks.ts";
import { makeKey, type TokenParts } from "#test/support/jwt.ts";
import { startUpstream, type Upstream } from "#test/support/upstream.ts";
import { AdminApi } from "./admin-api.ts";
import { type WireApp, startWireApp } from "./wire-app.ts";
import type { Lane } from "#test/support/lanes.ts";
import { ADMIN_TOKEN, worldConfig, type WorldOptions } from "./world-config.ts";

/** Counts that only grow; the difference of two is what one case did. */
export interface Tally {
  /** Requests whose head reached the upstream. */
  readonly forwarded: number;
  /** Those that reached it to their end. */
  readonly whole: number;
  readonly usage: number;
  readonly fetches: number;
}

export interface Tenant {
  readonly id: string;
  /** The id the operator's systems know, as tokens name it. */
  readonly externalId: string;
  /** A key with the role User. */
  readonly key: string;
  readonly keyId: string;
}

export interface World extends AsyncDisposable {
  readonly gateway: Gateway;
  readonly upstream: Upstream;
  /** The app of the route `/wire/**`: answers with bytes. */
  readonly wire: WireApp;
  readonly lane: Lane;
  readonly jwks: JwksServer;
  readonly admin: AdminApi;
  readonly acme: Tenant;
  readonly globex: Tenant;
  tally(): Promise<Tally>;
  /** A good token of acme's user `u1` with the role User, but for what `parts` changes. */
  token(parts?: TokenParts): string;
}

/** Starts it all; on failure nothing is left running. */
export async function startWorld(options: WorldOptions = {}): Promise<World> {
  await using stack = new AsyncDisposableStack();
  const upstream = stack.use(await startUpstream());
  const jwks = stack.use(await startJwks(...(options.keys ?? [makeKey("ES256", "main")])));
  jwks.set({ issuerSuffix: options.issuerSuffix ?? "" });
  const wire = stack.use(await startWireApp());
  const surroundings = { upstream: upstream.url, wire: wire.url, jwks };
  const gateway = stack.use(await startGateway(worldConfig(surroundings, options)));
  const admin = new AdminApi(gateway, ADMIN_TOKEN);
  const acme = await makeTenant(admin, "acme");
  const globex = await makeTenant(admin, "globex");
  const owned = stack.move();
  return {
    gateway,
    upstream,
    wire,
    lane: options.lane ?? laneOfTheRun(),
    jwks,
    admin,
    acme,
    globex,
    tally: async () => ({
      forwarded: upstream.count,
      whole: upstream.requests.length,
      usage: await admin.usage(),
      fetches: jwks.fetches,
    }),
    token: ({ header = {}, claims = {} } = {}) => jwks.token({ header, claims: { ...CLAIMS, ...claims } }),
    [Symbol.asyncDispose]: () => owned.disposeAsync(),
  };
}

function laneOfTheRun(): Lane {
  return process.env.TOLLGATE_LANE === "full" ? "full" : "auto";
}

/** What a good token says besides `iss`, `iat` and `exp`. */
export const CLAIMS = {
  aud: "api",
  sub: "u1",
  project: "acme",
  role: ["User"],
  // For issuers with a preset of their own.
  azp: "web",
  client_id: "web",
  token_use: "access",
  scope: "user:basic",
} as const;

async function makeTenant(admin: AdminApi, externalId: string): Promise<Tenant> {
  const account = await admin.call("POST", "/admin/accounts", { name: externalId, externalId });
  const key = await admin.call("POST", "/admin/keys", { account: externalId, roles: ["User"] });
  return { id: String(account.id), externalId, key: String(key.key), keyId: String(key.id) };
}
