/**
 * Phase 5, admit: rates of one key and of one member. Worker thread. They hold over all requests of the holder, whatever the route.
 */
import { EVERY_RATE, type HolderLimits } from "#shared/principals.ts";
import type { RateTable } from "#shared/rate-table.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { clearedMark } from "./limit-keys.ts";
import { type LiveRate, liveRate } from "./rates.ts";

/** As clients know the holders. */
const NAMES = { key: "key", user: "member" } as const;

export function ownRates(table: RateTable, principal: Principal | null): readonly LiveRate[] {
  if (principal === null) return [];
  return principal.ownLimits.flatMap(({ holder, limits }) => {
    const whose = holderText(holder, principal);
    const cleared = clearedMark(principal, EVERY_RATE);
    return limits.rates.map((figures, index) => {
      const name = ownRateName(holder, index);
      const settings = { name, algorithm: "token-bucket", by: [], shadow: false, ...figures } as const;
      // No two rates of a holder have the same period.
      return liveRate(table, { settings, cost: 1 }, figures, `own|${whose}|${figures.perMs}${cleared}`);
    });
  });
}

/** As answers tell of it. */
export function ownRateName(holder: HolderLimits["holder"], index: number): string {
  return index === 0 ? NAMES[holder] : `${NAMES[holder]}/${index + 1}`;
}

function holderText(holder: HolderLimits["holder"], { keyId, user, account }: Principal): string {
  return holder === "key" ? `key:${keyId}` : `user:${account.id}:${user}`;
}
