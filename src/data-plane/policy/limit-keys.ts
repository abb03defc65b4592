/** Whom a rate or a concurrency limit belongs to, as text. Worker thread, pure. Each part carries its kind, so that no id of one kind can pass for one of another. */
import type { RateKey, RateSettings } from "#config/settings.ts";
import { limitAddress } from "#core/addresses.ts";
import { EVERY_RATE } from "#shared/principals.ts";
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

/** As `limitKey`, of a rate: another text each time the rates of the caller's account were cleared. */
export function rateKey({ name, by }: Pick<RateSettings, "name" | "by">, asker: Asker): string {
  const text = limitKey(by, asker);
  const { principal } = asker;
  if (
    principal?.account.rateClears === undefined ||
    by.every((key) => key === "ip" || key === "route" || key === "plan")
  )
    return text;
  return text + clearedMark(principal, name);
}

/** Empty when the rate was never cleared for the caller's account. */
export function clearedMark({ account: { rateClears } }: Principal, name: string): string {
  if (rateClears === undefined) return "";
  // Only ever more: no text comes twice.
  const times = (rateClears.get(name) ?? 0) + (rateClears.get(EVERY_RATE) ?? 0);
  return times === 0 ? "" : `|cleared:${times}`;
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
