/**
 * Settings: `gateway.yaml` after every reference is resolved, every default filled and every unit turned into a number.
 * Plain frozen data, so that it crosses to the workers as a message. Made by `load.ts`, changed by nobody.
 */

export interface Settings {
  /** Absolute path of the file it came from. */
  readonly file: string;
  readonly server: ServerSettings;
  readonly store: StoreSettings;
  readonly identity: IdentitySettings;
  /** Permission patterns by role. */
  readonly roles: Readonly<Record<string, readonly string[]>>;
  readonly rates: Readonly<Record<string, RateSettings>>;
  readonly meters: Readonly<Record<string, MeterSettings>>;
  readonly plans: Readonly<Record<string, PlanSettings>>;
  /** Name of the plan with `default: true`; the file always has one (an empty unlimited `default` when it names no plans). */
  readonly defaultPlan: string;
  readonly upstreams: Readonly<Record<string, UpstreamSettings>>;
  readonly routes: readonly RouteSettings[];
  readonly metering: MeteringSettings;
  readonly errors: { readonly format: "problem" | "plain" };
}

export interface Address {
  readonly host: string;
  /** 0 takes a free port. */
  readonly port: number;
}

export interface ServerSettings {
  readonly listen: Address;
  readonly admin: Address | null;
  readonly adminToken: string | null;
  readonly prefix: string;
  /** Number of worker threads, `auto` already resolved. */
  readonly workers: number;
  readonly lane: "auto" | "full";
  /** Addresses and CIDR blocks, as written and checked. */
  readonly trustedProxies: readonly string[];
  readonly drainTimeoutMs: number;
  readonly limits: LimitSettings;
}

export interface LimitSettings {
  readonly headerBytesMax: number;
  /** null: no limit. */
  readonly bodyBytesMax: number | null;
  readonly headerTimeoutMs: number;
  readonly idleTimeoutMs: number;
  readonly requestTimeoutMs: number;
}

export interface StoreSettings {
  /** Absolute path of the SQLite file. */
  readonly file: string;
  /** Absolute path of its folder, which also holds journal, pepper and kept key sets. */
  readonly dataDir: string;
}

export interface IdentitySettings {
  readonly issuers: readonly IssuerSettings[];
  readonly keys: { readonly brand: string; readonly headers: readonly string[] };
}

export interface IssuerSettings {
  readonly name: string;
  /** Exact `iss`. */
  readonly issuer: string;
  readonly jwks:
    | { readonly kind: "url"; readonly url: string }
    | { readonly kind: "file"; readonly path: string }
    | { readonly kind: "local" };
  readonly audiences: readonly string[];
  readonly algorithms: readonly string[];
  readonly types: readonly string[];
  readonly clockSkewMs: number;
  /** null: no limit. */
  readonly maxLifetimeMs: number | null;
  readonly required: readonly string[];
  readonly claims: ClaimSettings;
}

/** Claim paths; null where the file names none. */
export interface ClaimSettings {
  readonly user: string;
  readonly account: string | null;
  readonly roles: string | null;
  readonly permissions: string | null;
  readonly scopes: string | null;
  readonly plan: string | null;
}

export type RateKey = "account" | "user" | "key" | "ip" | "route";

export interface RateSettings {
  readonly name: string;
  readonly limit: number;
  readonly perMs: number;
  readonly burst: number;
  readonly by: readonly RateKey[];
  readonly shadow: boolean;
}

export interface MeterSettings {
  readonly name: string;
  readonly description: string | null;
}

export type WindowKind = "hour" | "day" | "month";

export interface QuotaSettings {
  readonly meter: string;
  /** null: unlimited. */
  readonly limit: number | null;
  readonly per: WindowKind;
  readonly exceed: "block";
  readonly status: 402 | 403 | 429;
  readonly shadow: boolean;
}

export interface PlanSettings {
  readonly id: string;
  readonly name: string;
  readonly default: boolean;
  readonly price: { readonly monthly: number | null; readonly yearly: number | null; readonly currency: string } | null;
  /** By meter. */
  readonly quotas: Readonly<Record<string, QuotaSettings>>;
  /** Replacements by rate name, already complete. */
  readonly rates: Readonly<Record<string, { readonly limit: number; readonly perMs: number; readonly burst: number }>>;
  readonly features: readonly string[];
}

export interface UpstreamSettings {
  readonly name: string;
  readonly targets: readonly { readonly url: string; readonly weight: number }[];
  readonly host: "preserve" | "target";
  readonly credentials: "strip" | "pass";
  readonly connectTimeoutMs: number;
  readonly connections: number;
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
  readonly schemes: readonly ("jwt" | "key")[];
  readonly require: RequireSettings;
  readonly rates: readonly string[];
  /** Units by meter; only meters that cost at least one unit. */
  readonly meters: Readonly<Record<string, number>>;
  readonly countWhen: CountWhen;
}

export interface RequireSettings {
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly scopes: readonly string[];
  readonly features: readonly string[];
  /** Name of the path parameter that must equal the account; null: none. */
  readonly accountParam: string | null;
  /** Name of the path parameter that must equal the user; null: none. */
  readonly ownerParam: string | null;
}

export interface MeteringSettings {
  readonly durability: "process" | "disk";
  readonly onJournalFailure: "refuse" | "serve";
}
