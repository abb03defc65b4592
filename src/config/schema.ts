/**
 * The shape of `gateway.yaml`: one TypeBox schema from which come the types, the JSON Schema file
 * (`config/gateway.schema.json`) and the validation. Runs on the main thread, at load.
 * Not here: meaning across keys (a route that names a missing upstream) is `semantics.ts`.
 * Every `description` is the documentation of that key; `docs/configuration.md` is made from it.
 */
import Type, { type Static, type TSchema } from "typebox";

export const DURATION = "^[1-9][0-9]*(ms|s|m|h|d)$";
export const SIZE = "^[1-9][0-9]*(B|KiB|MiB|GiB)?$";
export const NAME = "^[A-Za-z][A-Za-z0-9_.-]{0,63}$";
export const ADDRESS = "^(\\[[0-9A-Fa-f:.]+\\]|[A-Za-z0-9_.-]+)?:[0-9]{1,5}$";

const strict = { additionalProperties: false } as const;
const duration = (description: string, standard?: string) =>
  Type.String({ pattern: DURATION, description, ...(standard === undefined ? {} : { default: standard }) });
const size = (description: string, standard: string) =>
  Type.Union([Type.String({ pattern: SIZE }), Type.Integer({ minimum: 1 })], { description, default: standard });
const name = (description: string) => Type.String({ pattern: NAME, description });
const names = (description: string) => Type.Array(Type.String({ minLength: 1 }), { description, uniqueItems: true });
const byName = <T extends TSchema>(value: T, description: string) =>
  Type.Record(Type.String({ pattern: NAME }), value, { description, ...strict });
const oneOf = <T extends string[]>(values: readonly [...T], description: string, standard?: T[number]) =>
  Type.Enum<T>(values, { description, ...(standard === undefined ? {} : { default: standard }) });

const Limits = Type.Object(
  {
    headerBytes: Type.Optional(size("Largest request header section; more is answered with 431.", "16KiB")),
    bodyBytes: Type.Optional(
      Type.Union([size("", "10MiB"), Type.Null()], {
        description: "Largest request body; more is answered with 413. `null` sets no limit.",
        default: "10MiB",
      }),
    ),
    headerTimeout: Type.Optional(duration("Time a client has to send its request headers.", "10s")),
    idleTimeout: Type.Optional(duration("Time an idle keep-alive connection stays open.", "60s")),
    requestTimeout: Type.Optional(
      duration("Time an upstream has to answer with headers, and the longest silence inside a body; then 504.", "5m"),
    ),
  },
  { ...strict, description: "Protective limits; each has a default." },
);

const Server = Type.Object(
  {
    listen: Type.Optional(
      Type.String({
        pattern: ADDRESS,
        description: "Address and port of the traffic and of the self-service endpoints. Port 0 takes a free one.",
        default: "127.0.0.1:8080",
      }),
    ),
    admin: Type.Optional(
      Type.Union([Type.String({ pattern: ADDRESS }), Type.Null()], {
        description: "Address of the admin API, metrics and health; `null` switches it off.",
        default: "127.0.0.1:8081",
      }),
    ),
    adminToken: Type.Optional(
      Type.String({
        minLength: 32,
        description:
          "Token of the admin API, 32 characters or more. Left out, the first start makes one and prints it once.",
      }),
    ),
    prefix: Type.Optional(
      Type.String({
        pattern: "^(/[A-Za-z0-9._~-]+)+$",
        description: "Path under which the gateway's own endpoints live on `listen`.",
        default: "/_tollgate",
      }),
    ),
    workers: Type.Optional(
      Type.Union([Type.Literal("auto"), Type.Integer({ minimum: 1, maximum: 64 })], {
        description: "Worker threads; `auto` is one for each CPU.",
        default: "auto",
      }),
    ),
    lane: Type.Optional(oneOf(["auto", "full"], "Which request lane serves traffic.", "auto")),
    trustedProxies: Type.Optional(
      Type.Array(Type.String({ minLength: 2 }), {
        description: "Addresses or CIDR blocks whose `X-Forwarded-*` headers are believed.",
        default: [],
      }),
    ),
    drainTimeout: Type.Optional(duration("Longest time a stop waits for requests under way.", "30s")),
    limits: Type.Optional(Limits),
  },
  { ...strict, description: "Listeners, workers and protective limits." },
);

const Store = Type.Object(
  {
    url: Type.Optional(
      Type.String({
        pattern: "^sqlite:.+$",
        description:
          "`sqlite:PATH`, relative to the configuration file. Its folder is the data folder: journal, pepper and kept key sets live there too.",
        default: "sqlite:data/tollgate.db",
      }),
    ),
  },
  { ...strict, description: "Where accounts, keys and the ledger are kept." },
);

const Claims = Type.Object(
  {
    user: Type.Optional(Type.String({ minLength: 1, description: "Claim with the user id.", default: "sub" })),
    account: Type.Optional(
      Type.String({ minLength: 1, description: "Claim with the account (project, organisation). Left out: the user." }),
    ),
    roles: Type.Optional(Type.String({ minLength: 1, description: "Claim with one role or a list of roles." })),
    permissions: Type.Optional(Type.String({ minLength: 1, description: "Claim with a list of permissions." })),
    scopes: Type.Optional(
      Type.String({ minLength: 1, description: "Claim with scopes, a list or space-separated.", default: "scope" }),
    ),
    plan: Type.Optional(
      Type.String({ minLength: 1, description: "Claim with the plan, used while the account has none of its own." }),
    ),
  },
  { ...strict, description: "Which claims say what. Dots reach into objects." },
);

export const JWT_ALGORITHMS = [
  "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
] as const; // biome-ignore format: one line each would hide the list

const Issuer = Type.Object(
  {
    name: name("Name used in logs and metrics."),
    preset: Type.Optional(
      oneOf(
        ["oidc", "local"],
        "`local` is the gateway's own signing key (`tollgate token`); it needs no `jwks`.",
        "oidc",
      ),
    ),
    issuer: Type.Optional(
      Type.String({ minLength: 1, description: "Exact value of the `iss` claim. Required unless `preset: local`." }),
    ),
    jwks: Type.Optional(
      Type.String({
        pattern: "^(https?://|file:).+$",
        description: "Key set: an http(s) URL, or `file:PATH`. Required unless `preset: local`.",
      }),
    ),
    audiences: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      description: "Accepted values of the `aud` claim; one must match.",
    }),
    algorithms: Type.Optional(
      Type.Array(oneOf(JWT_ALGORITHMS, ""), {
        minItems: 1,
        uniqueItems: true,
        description: "Accepted signature algorithms; the token's header cannot widen them.",
        default: ["RS256", "ES256", "EdDSA"],
      }),
    ),
    types: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        description: "Accepted values of the `typ` header; a token without one passes.",
        default: ["JWT", "at+jwt"],
      }),
    ),
    clockSkew: Type.Optional(
      Type.Union([Type.Literal("0s"), duration("")], {
        description: "Leeway on `exp` and `nbf`, at most 5m.",
        default: "0s",
      }),
    ),
    maxLifetime: Type.Optional(duration("Longest accepted `exp - iat`. Left out: no limit.")),
    required: Type.Optional(names("Claims that must be present.")),
    claims: Type.Optional(Claims),
  },
  strict,
);

const Identity = Type.Object(
  {
    issuers: Type.Optional(Type.Array(Issuer, { description: "JWT issuers that are trusted.", default: [] })),
    keys: Type.Optional(
      Type.Object(
        {
          brand: Type.Optional(
            Type.String({
              pattern: "^[a-z][a-z0-9]{0,15}$",
              description: "First part of every API key.",
              default: "tg",
            }),
          ),
          headers: Type.Optional(
            Type.Array(Type.String({ pattern: "^[a-z][a-z0-9-]*$" }), {
              minItems: 1,
              uniqueItems: true,
              description: "Headers that may carry a key, lower case; `authorization` means `Bearer`.",
              default: ["authorization", "x-api-key"],
            }),
          ),
        },
        { ...strict, description: "API keys." },
      ),
    ),
  },
  { ...strict, description: "How callers are identified." },
);

const Rate = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Requests allowed per `per`, sustained." }),
    per: duration("The period `limit` is counted over."),
    burst: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Requests allowed at once; default `limit`." }),
    ),
    by: Type.Optional(
      Type.Union(
        [
          oneOf(["account", "user", "key", "ip", "route"], ""),
          Type.Array(oneOf(["account", "user", "key", "ip", "route"], ""), { minItems: 1, uniqueItems: true }),
        ],
        {
          description:
            "What each bucket belongs to: `account`, `user`, `key`, `ip` (IPv6 by /64), `route`, or a list. Without a principal, `account`, `user` and `key` fall back to the address.",
          default: "account",
        },
      ),
    ),
    algorithm: Type.Optional(oneOf(["token-bucket"], "How the rate is counted.", "token-bucket")),
    shadow: Type.Optional(Type.Boolean({ description: "Decide, log and count, never refuse.", default: false })),
  },
  strict,
);

const Meter = Type.Object(
  { description: Type.Optional(Type.String({ description: "Shown in usage answers." })) },
  { ...strict, description: "A thing that is counted." },
);

const Quota = Type.Object(
  {
    limit: Type.Union([Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), Type.Null()], {
      description: "Units allowed in the window; `null` is unlimited.",
    }),
    per: oneOf(["hour", "day", "month"], "The window, in UTC."),
    exceed: Type.Optional(oneOf(["block"], "What happens beyond the limit.", "block")),
    status: Type.Optional(
      Type.Union([Type.Literal(402), Type.Literal(403), Type.Literal(429)], {
        description: "Status of the refusal.",
        default: 429,
      }),
    ),
    shadow: Type.Optional(Type.Boolean({ description: "Decide, log and count, never refuse.", default: false })),
  },
  strict,
);

const PlanRate = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Replaces the rate's `limit`." }),
    per: Type.Optional(duration("Replaces the rate's `per`.")),
    burst: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Default `limit`." })),
  },
  strict,
);

const Plan = Type.Object(
  {
    name: Type.Optional(Type.String({ minLength: 1, description: "Display name." })),
    default: Type.Optional(
      Type.Boolean({ description: "The plan of accounts without one; exactly one plan has it.", default: false }),
    ),
    price: Type.Optional(
      Type.Object(
        {
          monthly: Type.Optional(Type.Integer({ minimum: 0, description: "Minor units a month." })),
          yearly: Type.Optional(Type.Integer({ minimum: 0, description: "Minor units a year, taken as written." })),
          currency: Type.String({ pattern: "^[a-z]{3}$", description: "ISO 4217, lower case." }),
        },
        { ...strict, description: "Shown by `/billing/plans`." },
      ),
    ),
    quotas: Type.Optional(byName(Quota, "Limits by meter.")),
    rates: Type.Optional(byName(PlanRate, "Other figures for named rates on this plan.")),
    features: Type.Optional(names("Features that routes may require.")),
  },
  strict,
);

const Target = Type.Union([
  Type.String({ pattern: "^https?://[^/]+", description: "http(s) URL of the app." }),
  Type.Object(
    {
      url: Type.String({ pattern: "^https?://[^/]+", description: "http(s) URL of the app." }),
      weight: Type.Optional(
        Type.Integer({
          minimum: 1,
          maximum: 1000,
          description: "Share of the requests, relative to the others.",
          default: 1,
        }),
      ),
    },
    strict,
  ),
]);

const Upstream = Type.Object(
  {
    targets: Type.Array(Target, { minItems: 1, maxItems: 64, description: "http(s) URLs, with a weight if unequal." }),
    host: Type.Optional(
      oneOf(["preserve", "target"], "Which `Host` the app sees: the client's, or the target's.", "preserve"),
    ),
    credentials: Type.Optional(
      oneOf(["strip", "pass"], "Whether the caller's token or key is passed on to the app.", "strip"),
    ),
    connectTimeout: Type.Optional(duration("Time to open a connection.", "5s")),
    connections: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 10000, description: "Connections to a target, per worker.", default: 256 }),
    ),
    allowUnsafeTargets: Type.Optional(
      Type.Boolean({ description: "Allow link-local and metadata addresses as targets.", default: false }),
    ),
  },
  strict,
);

const Require = Type.Object(
  {
    roles: Type.Optional(names("One of these roles.")),
    permissions: Type.Optional(names("All of these permissions.")),
    scopes: Type.Optional(names("All of these scopes.")),
    features: Type.Optional(names("All of these plan features.")),
    account: Type.Optional(
      Type.String({
        pattern: "^path\\.[A-Za-z_][A-Za-z0-9_]*$",
        description: "`path.NAME`: that path segment must be the caller's account.",
      }),
    ),
    owner: Type.Optional(
      Type.String({
        pattern: "^path\\.[A-Za-z_][A-Za-z0-9_]*$",
        description: "`path.NAME`: that path segment must be the caller's user.",
      }),
    ),
  },
  { ...strict, description: "What the caller must have." },
);

const Route = Type.Object(
  {
    name: name("Unique name, in logs, metrics and usage."),
    match: Type.Object(
      {
        host: Type.Optional(
          Type.String({
            pattern: "^(\\*\\.)?[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
            description: "Host name, lower case, or `*.` and a suffix. Left out: any.",
          }),
        ),
        path: Type.String({
          pattern: "^/",
          description: "`/models/{id}` one segment, `/files/**` the rest.",
        }),
        methods: Type.Optional(
          Type.Array(oneOf(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"], ""), {
            minItems: 1,
            uniqueItems: true,
            description: "Methods; `GET` brings `HEAD`. Left out: all seven.",
          }),
        ),
      },
      { ...strict, description: "Which requests the route takes. The most specific route wins." },
    ),
    upstream: name("Which upstream serves it."),
    auth: Type.Optional(oneOf(["required", "optional", "none"], "Whether a caller must be identified.", "required")),
    schemes: Type.Optional(
      Type.Array(oneOf(["jwt", "key"], ""), {
        minItems: 1,
        uniqueItems: true,
        description: "Accepted credentials.",
        default: ["jwt", "key"],
      }),
    ),
    require: Type.Optional(Require),
    rates: Type.Optional(names("Names of rates that apply.")),
    meters: Type.Optional(
      Type.Record(
        Type.String({ pattern: NAME }),
        Type.Integer({ minimum: 0, maximum: 1_000_000_000, description: "Units of this meter; 0 is as if left out." }),
        {
          ...strict,
          description: "Units each request costs, by meter.",
        },
      ),
    ),
    countWhen: Type.Optional(
      oneOf(
        ["always", "2xx", "not-5xx"],
        "Which answers are charged; the others release what they reserved.",
        "not-5xx",
      ),
    ),
  },
  strict,
);

export const GatewayFile = Type.Object(
  {
    version: Type.Literal(1, { description: "Version of this format." }),
    server: Type.Optional(Server),
    store: Type.Optional(Store),
    identity: Type.Optional(Identity),
    roles: Type.Optional(
      byName(names("Permissions of the role."), "Permissions by role; `*` and `models:*` are wildcards."),
    ),
    rates: Type.Optional(byName(Rate, "Named rates.")),
    meters: Type.Optional(byName(Meter, "What is counted.")),
    plans: Type.Optional(byName(Plan, "What an account may use.")),
    upstreams: byName(Upstream, "Apps behind the gateway."),
    routes: Type.Array(Route, { description: "Which requests go where. What no route takes is answered with 404." }),
    metering: Type.Optional(
      Type.Object(
        {
          durability: Type.Optional(
            oneOf(
              ["process", "disk"],
              "`process`: usage survives any crash of the process. `disk`: it also survives a power cut, but for the last 20 ms.",
              "process",
            ),
          ),
          "on-journal-failure": Type.Optional(
            oneOf(["refuse", "serve"], "When usage cannot be written: answer 503, or serve unmetered.", "refuse"),
          ),
        },
        { ...strict, description: "How usage is kept." },
      ),
    ),
    errors: Type.Optional(
      Type.Object(
        {
          format: Type.Optional(
            oneOf(["problem", "plain"], "Body of refusals: RFC 9457, or `{error, message}`.", "problem"),
          ),
        },
        { ...strict, description: "How refusals look." },
      ),
    ),
  },
  { ...strict, title: "Tollgate gateway.yaml", description: "Configuration of the Tollgate API gateway." },
);

export type GatewayFile = Static<typeof GatewayFile>;
