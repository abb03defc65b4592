/** A file with something of every kind of limit and meter, and who calls by it; for the tests of what is reserved and settled. */
import type { CreditGrant } from "#core/credits.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import { runtimeOf } from "#test/data-plane/policy/limit-site.ts";
import { accountOf, callerOf } from "#test/data-plane/policy/limit-worker.ts";

/** Rates that never come back while a test runs: what is taken of them can be counted. */
export const FEW = 9;
export const THROTTLED_MAX = 3;
export const OPEN_MAX = 4;

const FILE = `
rates: { few: { limit: ${FEW}, per: 365d, by: account } }
concurrency: { open: { limit: ${OPEN_MAX}, by: account } }
meters:
  calls: { aggregate: count }
  units: {}
  tokens: { from: upstream, estimate: 10 }
  blind: { from: upstream }
  seats: { aggregate: last }
  storage: { aggregate: last, from: upstream }
  peak: { aggregate: max, from: upstream }
  slow: {}
plans:
  one:
    default: true
    quotas:
      calls:
        - { limit: 15, per: day }
        - { limit: 24, per: month }
        - { limit: 9, per: day, by: key }
        - { limit: 6, per: month, by: user }
      units: { limit: 12, per: month, exceed: overage, overage: { price: 3, per: 10 } }
      tokens: { limit: 40, per: day, exceed: credits, credits: 2 }
      blind: { limit: 30, per: day, grace: 7 }
      seats: [{ limit: 2, per: lifetime, by: key }, { limit: 3, per: lifetime }]
      storage: { limit: 900, per: lifetime, exceed: warn }
      peak: { limit: 30, per: billing-period }
      slow: { limit: 10, per: month, exceed: throttle, throttle: { from: 50, limit: ${THROTTLED_MAX}, per: 365d } }
  two:
    quotas:
      units: { limit: 8, per: month, exceed: overage, overage: { price: 3 } }
      tokens: { limit: 12, per: day, exceed: overage, overage: { price: 2 } }
      calls: { limit: 5, per: day, shadow: true }
routes:
  - { name: calls, match: { path: /calls }, upstream: app, meters: { calls: 1 } }
  - { name: mixed, match: { path: /mixed }, upstream: app, concurrency: [open], meters: { calls: 1, tokens: measured, units: 5 } }
  - { name: tokens, match: { path: /tokens }, upstream: app, meters: { tokens: measured }, countWhen: 2xx }
  - { name: blind, match: { path: /blind }, upstream: app, meters: { blind: measured, calls: 1 }, countWhen: always }
  - { name: join, match: { path: /join }, upstream: app, concurrency: [open], meters: { seats: 1 }, countWhen: 2xx }
  - { name: leave, match: { path: /leave }, upstream: app, meters: { seats: -1, calls: 1 } }
  - { name: store, match: { path: /store }, upstream: app, meters: { storage: measured, peak: measured } }
  - { name: slow, match: { path: /slow }, upstream: app, rates: [few], meters: { slow: 2, calls: 1 } }
  - { name: units, match: { path: /units }, upstream: app, rates: [few], concurrency: [open], meters: { units: 4 } }
`;

export const PATHS = ["calls", "mixed", "tokens", "blind", "join", "leave", "store", "slow", "units"] as const;

export function worldRuntime(): Runtime {
  return runtimeOf(FILE);
}

function grant(id: string, amount: number, priority: number, times: Partial<CreditGrant> = {}): CreditGrant {
  return { id, amount, priority, startMs: 0, expiresMs: null, createdMs: 0, source: "test", ...times };
}

export const START_MS = Date.UTC(2025, 0, 30, 20);
const DAY_MS = 86_400_000;

const GRANTS = [
  grant("late", 80, 2),
  grant("soon", 9, 1, { expiresMs: START_MS + 3 * DAY_MS }),
  grant("first", 7, 1, { expiresMs: START_MS + DAY_MS }),
  grant("coming", 30, 0, { startMs: START_MS + 2 * DAY_MS }),
];

/** Three callers of one account, then the account of a plan with a cap in money, then one with a cap in units. */
export function callersOf(runtime: Runtime): readonly Principal[] {
  const rich = accountOf("rich", { grants: GRANTS });
  const capped = accountOf("capped", { plan: "two", spendCap: { units: {}, money: 50 } });
  const careful = accountOf("careful", { spendCap: { units: { units: 9 }, money: null } });
  return [
    callerOf(runtime, rich),
    callerOf(runtime, rich, { keyId: "key_2" }),
    callerOf(runtime, rich, { user: "u1" }),
    callerOf(runtime, capped),
    callerOf(runtime, careful),
  ];
}
