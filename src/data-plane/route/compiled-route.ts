/** A route as the phases use it: names already resolved to what they stand for. Worker thread; made at reload, frozen. */
import type { CountWhen, RequireSettings } from "#config/settings.ts";
import type { MeterUnits } from "#shared/journal-format.ts";
import type { CompiledRate } from "#data-plane/policy/rates.ts";
import type { UpstreamPool } from "#data-plane/upstream/pool.ts";

export interface CompiledRoute {
  readonly name: string;
  readonly auth: "required" | "optional" | "none";
  readonly acceptsJwt: boolean;
  readonly acceptsKey: boolean;
  readonly require: RequireSettings;
  /** Names of the template's parameters, in order. */
  readonly parameters: readonly string[];
  readonly rates: readonly CompiledRate[];
  readonly units: readonly MeterUnits[];
  readonly countWhen: CountWhen;
  readonly upstream: UpstreamPool;
  /** One of the gateway's own endpoints. */
  readonly builtin: boolean;
  /** Place in the metrics table. */
  readonly metric: number;
}
