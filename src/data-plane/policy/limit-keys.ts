/** Whom a rate or a concurrency limit belongs to, as text. Worker thread, pure. Each part carries its kind, so that no id of one kind can pass for one of another. */
import type { RateKey } from "#config/settings.ts";
import { limitAddress } from "#core/addresses.ts";
import type { Principal } from "#data-plane/identity/principal.ts";

/** Who asks, and where. */
export interface Asker {
  readonly routeName: string;
  readonly principal: Principal | null;
  /** The client's address. */
  readonly address: string;
}

export function limitKey(by: readonly RateKey[], asker: Asker): string {
  let text = "";
  for (const key of by) text += `|${part(key, asker)}`;
  return text;
}

/** Whether the text depends on the client's address, so that it may differ between requests of one caller. */
export function dependsOnAddress(by: readonly RateKey[], principal: Principal | null): boolean {
  return by.includes("ip") || (principal === null && by.some((key) => key !== "route"));
}

function part(by: RateKey, { routeName, principal, address }: Asker): string {
  if (by === "route") return `route:${routeName}`;
  if (by === "ip" || principal === null) return `ip:${limitAddress(address)}`;
  if (by === "account") return `account:${principal.account.id}`;
  if (by === "plan") return `plan:${principal.plan.id}`;
  if (by === "user" && principal.user !== null) return `user:${principal.account.id}:${principal.user}`;
  if (by === "key" && principal.keyId !== null) return `key:${principal.keyId}`;
  const claim = by.startsWith("claim:") ? principal.claims[by] : undefined;
  if (claim !== undefined) return `${by}:${principal.account.id}:${claim}`;
  // A token has no key and a key has no user: the nearest thing that is there, still told apart by kind.
  return principal.user === null ? `key:${principal.keyId ?? ""}` : `user:${principal.account.id}:${principal.user}`;
}
