/** The shape of `gateway.yaml`: upstreams and routes. See `schema.ts`. Pure. */
import Type from "typebox";
import { Require } from "./schema-require.ts";
import { NAME, duration, name, names, oneOf, strict } from "./schema-parts.ts";

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

export const Upstream = Type.Object(
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
    queue: Type.Optional(
      Type.Object(
        {
          max: Type.Optional(
            Type.Integer({
              minimum: 0,
              maximum: 100_000,
              description:
                "Requests that may wait for a connection to a target, per worker; one more is answered with 503 at once. Left out: 1024, or as many as `connections` where that is more.",
            }),
          ),
          timeout: Type.Optional(duration("Longest wait for a connection; then 503.", "5s")),
        },
        { ...strict, description: "Who waits when all connections to a target are in use." },
      ),
    ),
    allowUnsafeTargets: Type.Optional(
      Type.Boolean({ description: "Allow link-local and metadata addresses as targets.", default: false }),
    ),
  },
  strict,
);

export const Schemes = Type.Optional(
  Type.Array(oneOf(["jwt", "key"], ""), {
    minItems: 1,
    uniqueItems: true,
    description: "Accepted credentials.",
    default: ["jwt", "key"],
  }),
);

export const RouteRates = Type.Optional(
  Type.Array(
    Type.Union([
      Type.String({ minLength: 1 }),
      Type.Object(
        {
          rate: name("Name of the rate."),
          cost: Type.Integer({ minimum: 1, maximum: 1_000_000, description: "Requests this one counts as." }),
        },
        strict,
      ),
    ]),
    { uniqueItems: true, description: "Rates that apply: names, or `{ rate, cost }`." },
  ),
);

export const Route = Type.Object(
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
    schemes: Schemes,
    require: Type.Optional(Require),
    rates: RouteRates,
    concurrency: Type.Optional(names("Names of concurrency limits that apply.")),
    meters: Type.Optional(
      Type.Record(
        Type.String({ pattern: NAME }),
        Type.Union([Type.Integer({ minimum: -1_000_000_000, maximum: 1_000_000_000 }), Type.Literal("measured")]),
        {
          ...strict,
          maxProperties: 64,
          description:
            "Units each request costs, by meter: a number, or `measured` for what the meter's `from` says. A negative number gives units of a gauge back; 0 is as if left out.",
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
    learns: Type.Optional(
      name("One of `resources`: answers 201 make the caller's account the owner of what they tell of."),
    ),
    forgets: Type.Optional(
      name(
        "The resource of `require.resource`: when the app answers 2xx, or 404 or 410 to its owner, it is nobody's any more.",
      ),
    ),
  },
  strict,
);
