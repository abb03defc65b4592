/**
 * A passage as the gate makes it, for tests of what is forwarded: real settings, real runtime, real reading of target and head;
 * only the principal is given. Does not forward anything.
 */
import { snapshotOf } from "#control-plane/fleet/snapshot.ts";
import type { Refusal } from "#core/errors.ts";
import { type Exchange, isRefusal, type Passage } from "#data-plane/exchange.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { LimitState } from "#data-plane/policy/limit-headers.ts";
import { readTarget } from "#data-plane/route/path.ts";
import { buildRuntime, type Runtime } from "#data-plane/runtime.ts";
import { TraceIds } from "#data-plane/trace-ids.ts";
import { clientAddressOf } from "#data-plane/upstream/forwarded-headers.ts";
import { controlPool, Pools } from "#data-plane/upstream/pool.ts";
import { readHead } from "#data-plane/wire/head.ts";
import { Peer } from "#data-plane/peer.ts";
import { settingsOf } from "#test/config/faults-of.ts";

export interface Asked {
  /** Names and values in turn. */
  readonly rawHeaders: readonly string[];
  readonly target?: string;
  readonly peerAddress?: string;
  readonly encrypted?: boolean;
  readonly limitHeaders?: readonly string[];
  readonly principal?: Principal | null;
}

/** Trusts 10.0.0.0/8 and 2001:db8::/32 as proxies; `/strip/**`, `/pass/**` and `/target/**` differ in what the upstream is given. */
const FILE = `version: 1
server: { trustedProxies: [10.0.0.0/8, "2001:db8::/32"] }
identity: { keys: { headers: [authorization, x-api-key] } }
upstreams:
  strip: { targets: [http://app.test:9000/base] }
  pass: { targets: [http://app.test:9000], credentials: pass }
  target: { targets: [http://app.test:9000], host: target }
routes:
  - { name: strip, upstream: strip, match: { path: "/strip/**" } }
  - { name: pass, upstream: pass, match: { path: "/pass/**" } }
  - { name: target, upstream: target, match: { path: "/target/**" } }
`;

const runtime: Runtime = buildRuntime(
  snapshotOf(settingsOf(FILE), null),
  new Pools(),
  controlPool("/nowhere/control.sock"),
  new TraceIds(),
);

export function exchangeOf({
  rawHeaders,
  target = "/strip/x",
  peerAddress = "192.0.2.1",
  encrypted = false,
}: Asked): Exchange {
  const head = readHead(rawHeaders, "1.1");
  return { method: "GET", target, httpVersion: "1.1", head, peer: new Peer(peerAddress, encrypted) };
}

/** The passage, or why the gate would not let the request through. */
export function passageOf(asked: Asked): Passage | Refusal {
  const exchange = exchangeOf(asked);
  const target = readTarget(exchange.target);
  if (isRefusal(target)) return target;
  const { head } = exchange;
  if (isRefusal(head)) return head;
  const found = runtime.routes.find(head.host, exchange.method, target.segments);
  if (found.kind !== "route") throw new Error(`No route for ${exchange.target}`);
  return {
    exchange,
    requestId: "req_mine",
    runtime,
    head,
    route: found.route,
    target: target.text,
    principal: asked.principal ?? null,
    clientAddress: clientAddressOf(exchange.peer, head, runtime.trustedProxies),
    reservation: null,
    held: null,
    watch: null,
    limitState: told(asked.limitHeaders ?? []),
  };
}

function told(headers: readonly string[]): LimitState {
  // All that anyone asks of it.
  return { headers: () => headers, limited: headers.length > 0 } as unknown as LimitState;
}

export function principal(part: Partial<Principal> = {}): Principal {
  const plan = runtime.settings.plans[runtime.settings.defaultPlan];
  if (plan === undefined) throw new Error("Settings have no default plan");
  return {
    kind: "key",
    account: {
      id: "acct_1",
      externalId: "ext-1",
      name: "One",
      state: "active",
      plan: null,
      anchorMs: 0,
      epoch: 0,
      spendCap: { units: {}, money: null },
      grants: [],
    },
    publicAccount: "ext-1",
    user: "u1",
    roles: ["Admin", "User"],
    permissions: [],
    scopes: ["read", "write"],
    token: null,
    keyId: "key_1",
    retiresAtMs: null,
    keyEndsAtMs: Infinity,
    plan,
    claims: {},
    sighting: { atMs: 0 },
    session: null,
    narrowing: null,
    warning: null,
    ownLimits: [],
    ...part,
  };
}
