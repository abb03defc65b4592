/**
 * Settings: `gateway.yaml` after every reference is resolved, every default filled and every unit turned into a number.
 * Plain frozen data, so that it crosses to the workers as a message. Made by `load.ts`, changed by nobody.
 */
import type { EndpointRule, RequireSettings, ResourceSettings, RouteRate, Scheme } from "./access-settings.ts";
import type { IdentitySettings } from "./identity-settings.ts";
import type { MeterSource } from "#core/meter-source.ts";
import type { UnitPrice } from "#core/money.ts";
import type { Scaling } from "#core/quantity.ts";
import type { WindowSpec } from "#core/windows.ts";

export interface Settings {
  /** Absolute path of the file it came from. */
  readonly file: string;
  readonly server: ServerSettings;
  readonly store: StoreSettings;
  readonly identity: IdentitySettings;
  /** Permission patterns by role. */
  readonly roles: Readonly<Record<string, readonly string[]>>;
  /** IANA name: where the days of quotas and reports begin, unless a quota says otherwise. */
  readonly timeZone: string;
  readonly rates: Readonly<Record<string, RateSettings>>;
  readonly concurrency: Readonly<Record<string, ConcurrencySettings>>;
  readonly meters: Readonly<Record<string, MeterSettings>>;
  readonly plans: Readonly<Record<string, PlanSettings>>;
  /** Name of the plan with `default: true`; the file always has one (an empty unlimited `default` when it names no plans). */
  readonly defaultPlan: string;
  readonly upstreams: Readonly<Record<string, UpstreamSettings>>;
  readonly resources: Readonly<Record<string, ResourceSettings>>;
  readonly routes: readonly RouteSettings[];
  /** What the gateway's own endpoints ask of their callers, beside what they ask for by themselves. */
  readonly endpoints: { readonly rules: readonly EndpointRule[] };
  readonly metering: MeteringSettings;
  /** Sets of limit headers that answers carry. */
  readonly limitHeaders: readonly LimitHeaderSet[];
  readonly errors: { readonly format: "problem" | "plain"; readonly upgradeUrl: string | null };
}

/** `draft-10` the current IETF draft, `draft-6` its older shape, `x-ratelimit` the common legacy names. */
export type LimitHeaderSet = "draft-10" | "draft-6" | "x-ratelimit";

export interface Address {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
}

export interface ServerSettings {
  readonly listen: Address;
  /** null: `listen` speaks plain HTTP. */
  readonly tls: TlsSettings | null;
  readonly admin: Address | null;
  readonly adminToken: string | null;
  /** The admin API is on `listen` too, below the prefix, for principals with its permissions. */
  readonly adminOnListen: boolean;
  readonly prefix: string;
  /** Number of worker threads, `auto` already resolved. */
  readonly workers: number;
  readonly lane: "auto" | "full";
  /** Addresses and CIDR blocks, as written and checked. */
  readonly trustedProxies: readonly string[];
  readonly drainTimeoutMs: number;
  readonly limits: LimitSettings;
}

/** PEM texts; the key is that of the first certificate. */
export interface TlsSettings {
  readonly cert: string;
  readonly key: string;
  readonly minVersion: "TLSv1.2" | "TLSv1.3";
}

export interface LimitSettings {
  readonly headerBytesMax: number;
  /** null: no limit. */
  readonly bodyBytesMax: number | null;
  /** 0: any pace will do. */
  readonly bodyBytesPerSecond: number;
  /** Client connections of a worker; null: as many as open files allow. */
  readonly connectionsMax: number | null;
  readonly headerTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

export interface StoreSettings {
  /** Absolute path of the SQLite file. */
  readonly file: string;
  /** Absolute path of its folder, which also holds journal, pepper and kept key sets. */
  readonly dataDir: string;
  /** Keys of 32 bytes that secrets of the store are sealed with, in hexadecimal or base64; none: those of the data folder. Not in snapshots. */
  readonly sealingKeys: readonly string[];
}

export type RateKey = "account" | "user" | "key" | "ip" | "route" | "plan" | `claim:${string}`;

export type RateAlgorithm = "token-bucket" | "fixed-window" | "sliding-window";

export interface RateSettings extends RateFigures {
  readonly name: string;
  readonly algorithm: RateAlgorithm;
  readonly by: readonly RateKey[];
  readonly shadow: boolean;
}

export interface RateFigures {
  readonly limit: number;
  readonly perMs: number;
  /** Token bucket only: requests at once. Equals `limit` for windows. */
  readonly burst: number;
}

/** Requests under way at the same time. */
export interface ConcurrencySettings {
  readonly name: string;
  readonly limit: number;
  readonly by: readonly RateKey[];
  readonly shadow: boolean;
}

/** How a meter adds up: `count` requests, `sum` units, the `max` of a window, the `last` value (a gauge: seats, storage). */
export type Aggregate = "count" | "sum" | "max" | "last";

export interface MeterSettings {
  readonly name: string;
  readonly description: string | null;
  readonly aggregate: Aggregate;
  /** Where the value of `measured` routes comes from. null: only from constants and events. */
  readonly source: MeterSource | null;
  readonly scaling: Scaling;
  /** Units taken before the value is known: a number, or named by a request header. */
  readonly estimate: { readonly units: number; readonly header: string | null };
  /** Units counted when the value is missing or cannot be used; null: the estimate. */
  readonly fallback: number | null;
}

export type Exceed = "block" | "overage" | "warn" | "throttle" | "credits";

/** Whose units a quota counts. */
export type QuotaHolder = "account" | "key" | "user";

export interface QuotaSettings {
  readonly meter: string;
  /** null: unlimited. */
  readonly limit: number | null;
  readonly by: QuotaHolder;
  readonly window: WindowSpec;
  readonly exceed: Exceed;
  readonly status: 402 | 403 | 429;
  readonly shadow: boolean;
  /** Units beyond the limit before `block` blocks. */
  readonly grace: number;
  /** What a unit beyond the limit costs; null: nothing. Only with `overage`. */
  readonly price: UnitPrice | null;
  /** Only with `throttle`: from this many units on, requests pass at this rate. */
  readonly throttle: (RateFigures & { readonly fromUnits: number }) | null;
  /** Only with `credits`: credits a unit beyond the limit costs. */
  readonly creditsPerUnit: number;
  /** Percent of the limit, rising; each makes one event a window. */
  readonly thresholds: readonly number[];
}

/** Credits a plan grants at the beginning of each window. */
export interface PlanCredits {
  readonly amount: number;
  readonly priority: number;
  readonly window: WindowSpec;
  /** What of the unused goes into the next window; null: nothing. */
  readonly rollover: { readonly max: number } | null;
}

export interface PlanSettings {
  readonly id: string;
  readonly name: string;
  readonly default: boolean;
  readonly price: { readonly monthly: number | null; readonly yearly: number | null; readonly currency: string } | null;
  /** By meter; several for one meter where windows or holders differ. */
  readonly quotas: Readonly<Record<string, readonly QuotaSettings[]>>;
  /** Replacements by rate name, already complete and multiplied. */
  readonly rates: Readonly<Record<string, RateFigures>>;
  /** Replacements by name of the concurrency limit. */
  readonly concurrency: Readonly<Record<string, number>>;
  readonly credits: PlanCredits | null;
  readonly features: readonly string[];
}

export interface UpstreamSettings {
  readonly name: string;
  readonly targets: readonly { readonly url: string; readonly weight: number }[];
  readonly host: "preserve" | "target";
  readonly credentials: "strip" | "pass";
  readonly connectTimeoutMs: number;
  /** To a target, per worker. */
  readonly connections: number;
  /** Requests that may wait for one of them, and for how long. */
  readonly queue: { readonly max: number; readonly timeoutMs: number };
}

export type HttpMethod = "GET" | "HEAD" | "POST" | "PUT" | "PATCH" | "DELETE" | "OPTIONS";

export type CountWhen = "always" | "2xx" | "not-5xx";

export interface RouteSettings {
  readonly name: string;
  readonly match: {
    readonly host: string | null;
    readonly path: string;
    /** null: all seven. `HEAD` is already added where `GET` stands. */
    readonly methods: readonly HttpMethod[] | null;
  };
  readonly upstream: string;
  readonly auth: "required" | "optional" | "none";
  readonly schemes: readonly Scheme[];
  readonly require: RequireSettings;
  readonly rates: readonly RouteRate[];
  readonly concurrency: readonly string[];
  /** Units by meter; negative ones give back units of a gauge. Only meters that cost something. */
  readonly meters: Readonly<Record<string, number | "measured">>;
  readonly countWhen: CountWhen;
  /** Name of the resource whose owners its answers 201 tell; null: none. */
  readonly learns: string | null;
  /** What it asks for (`require.resource`) is gone when the app says so. */
  readonly forgets: boolean;
}

export interface MeteringSettings {
  readonly durability: "process" | "disk";
  readonly onJournalFailure: "refuse" | "serve";
  /** How long journal segments stay after the ledger has them: what `reconcile` can look back on. */
  readonly keepJournalMs: number;
  /** Bytes of a body looked through for a meter's value. */
  readonly bodyCapBytes: number;
  readonly events: EventSettings;
}

/** Usage that is reported instead of seen. */
export interface EventSettings {
  /** An event whose quota window is over: counted in `own` window, in the `current` one, or refused. */
  readonly late: "own" | "current" | "reject";
  readonly maxAgeMs: number;
  readonly maxAheadMs: number;
}
