/** A route as the phases use it: names already resolved to what they stand for. Worker thread; made at reload, frozen. */
import type { RequireSettings, ResourceSettings } from "#config/access-settings.ts";
import type { CountWhen, MeterSettings } from "#config/settings.ts";
import type { UsageOp } from "#shared/counter-shapes.ts";
import type { CompiledRate } from "#data-plane/policy/rates.ts";
import type { CompiledConcurrency } from "#data-plane/policy/slots.ts";
import type { UpstreamPool } from "#data-plane/upstream/pool.ts";

/** What a request costs of one meter. */
export interface RouteLine {
  readonly meter: MeterSettings;
  readonly op: UsageOp;
  /** Units of each request, negative to give back; 0 where they are measured. */
  readonly units: number;
}

export interface CompiledRoute {
  readonly name: string;
  readonly auth: "required" | "optional" | "none";
  readonly acceptsJwt: boolean;
  readonly acceptsKey: boolean;
  readonly require: RequireSettings;
  /** Names of the template's parameters, in order. */
  readonly parameters: readonly string[];
  readonly rates: readonly CompiledRate[];
  readonly concurrency: readonly CompiledConcurrency[];
  /** Meters with constant units, then those that are measured. */
  readonly lines: readonly RouteLine[];
  /** How many of the lines are constant. */
  readonly constants: number;
  /** A meter's value, or an id, is looked for in the answer's body. */
  readonly readsAnswer: boolean;
  readonly countWhen: CountWhen;
  /** What `require.resource` is about; null: nothing. */
  readonly resource: ResourceSettings | null;
  /** Of what its answers 201 tell the owner; null: nothing. */
  readonly learns: ResourceSettings | null;
  /** What `require.resource` is about may be gone with its answer. */
  readonly forgets: boolean;
  readonly upstream: UpstreamPool;
  /** One of the gateway's own endpoints. */
  readonly builtin: boolean;
  /** Place in the metrics table. */
  readonly metric: number;
}
