/**
 * Which counters a charge moves: one for each shape of window that any plan of the file limits its meters by, and for those that
 * `quotaWindows` of keys and members name. Pure; both planes.
 * All plans' shapes are counted for everybody, so that a change of plan finds its usage counted already.
 * Not here: the counters themselves (`counter-table.ts`) and what limits them.
 */
import type { MeterSettings, QuotaHolder, Settings } from "#config/settings.ts";
import type { Window, WindowKind, WindowSpec } from "#core/windows.ts";

/** How units change a counter: they are added, the larger one stays, or they replace what is there. */
export type UsageOp = "add" | "max" | "set";

export interface CounterShape {
  /** Names the shape; equal shapes have equal keys, whichever plan they come from. */
  readonly key: string;
  readonly meter: string;
  readonly by: QuotaHolder;
  readonly window: WindowSpec;
  readonly op: UsageOp;
}

/** Every shape of the file, each once, by meter. A meter that no plan limits for the account is counted by the month, a gauge for ever. */
export function shapesOf(settings: Settings): ReadonlyMap<string, readonly CounterShape[]> {
  return new Map(Object.values(settings.meters).map((meter) => [meter.name, shapesOfMeter(settings, meter)]));
}

/** Those of one meter. */
export function shapesOfMeter(settings: Settings, { name: meter, ...rest }: MeterSettings): readonly CounterShape[] {
  const op = usageOp(rest);
  const shapes = new Map<string, CounterShape>();
  const add = (by: QuotaHolder, window: WindowSpec) => {
    const key = shapeKey(meter, by, window);
    if (!shapes.has(key)) shapes.set(key, { key, meter, by, window, op });
  };
  const { keys, members } = settings.identity;
  for (const kind of keys.quotaWindows) add("key", ownWindow(settings, kind));
  for (const kind of members.quotaWindows) add("user", ownWindow(settings, kind));
  for (const plan of Object.values(settings.plans)) {
    for (const quota of plan.quotas[meter] ?? []) add(quota.by, quota.window);
  }
  if (![...shapes.values()].some(({ by }) => by === "account"))
    add("account", standardWindow(settings, rest.aggregate === "last"));
  // The account's first: what a gauge gives back is at most as much as the whole account has, whoever took it.
  return [...shapes.values()].sort((one, other) => rankOf(one) - rankOf(other));
}

function rankOf({ by }: CounterShape): number {
  return by === "account" ? 0 : 1;
}

function ownWindow({ timeZone }: Settings, kind: WindowKind): WindowSpec {
  return { kind, timeZone, day: 1 };
}

/** The window by which usage without a quota is shown. */
function standardWindow({ timeZone }: Settings, isGauge: boolean): WindowSpec {
  return { kind: isGauge ? "lifetime" : "month", timeZone, day: 1 };
}

/** A gauge is set by what is measured; one that is fed by constants goes up and down. */
export function usageOp({ aggregate, source }: Pick<MeterSettings, "aggregate" | "source">): UsageOp {
  if (aggregate === "max") return "max";
  return aggregate === "last" && source !== null ? "set" : "add";
}

/** As `CounterShape.key`. */
export function shapeKey(meter: string, by: QuotaHolder, { kind, timeZone, day }: WindowSpec): string {
  return `${meter}|${by}|${kind}|${timeZone}|${day}`;
}

/** Who of the account a counter belongs to: empty for the account as a whole, null where the charge names no such holder. */
export function holderOf(by: QuotaHolder, key: string, user: string): string | null {
  if (by === "account") return "";
  if (by === "key") return key === "" ? null : `key:${key}`;
  return user === "" ? null : `user:${user}`;
}

/** Name of one counter in the shared table. */
export function counterName(account: string, shape: string, holder: string, window: Window): string {
  // The end too: billing periods of two anchors may begin alike.
  return `${account}|${shape}|${holder}|${window.startMs}|${window.endMs}`;
}

/** Name of the counter of credits burnt of a grant. */
export function grantCounterName(grant: string): string {
  return `grant|${grant}`;
}
