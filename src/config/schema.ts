/**
 * The shape of `gateway.yaml`: one TypeBox schema from which come the types, the JSON Schema file
 * (`config/gateway.schema.json`) and the validation. Runs on the main thread, at load.
 * Not here: meaning across keys (a route that names a missing upstream) is `semantics.ts`.
 * Every `description` is the documentation of that key; `docs/configuration.md` is made from it.
 */
import Type, { type Static } from "typebox";
import { Endpoints } from "./schema-endpoints.ts";
import { Identity } from "./schema-identity.ts";
import { Concurrency, Meter, Metering, Rate } from "./schema-limits.ts";
import { byName, names, oneOf, strict } from "./schema-parts.ts";
import { Plan } from "./schema-plans.ts";
import { Resource } from "./schema-require.ts";
import { Route, Upstream } from "./schema-routes.ts";
import { Server, Store } from "./schema-server.ts";

export const GatewayFile = Type.Object(
  {
    version: Type.Literal(1, { description: "Version of this format." }),
    server: Type.Optional(Server),
    store: Type.Optional(Store),
    identity: Type.Optional(Identity),
    roles: Type.Optional(
      byName(names("Permissions of the role."), "Permissions by role; `*` and `models:*` are wildcards."),
    ),
    timeZone: Type.Optional(
      Type.String({
        minLength: 1,
        description: "IANA name of the zone whose days, weeks and months quotas and reports count.",
        default: "UTC",
      }),
    ),
    rates: Type.Optional(byName(Rate, "Named rates.")),
    concurrency: Type.Optional(byName(Concurrency, "Named limits of requests under way.")),
    meters: Type.Optional(byName(Meter, "What is counted.")),
    plans: Type.Optional(byName(Plan, "What an account may use.")),
    upstreams: byName(Upstream, "Apps behind the gateway."),
    resources: Type.Optional(byName(Resource, "Things that apps make, by kind, whose owners the gateway learns.")),
    routes: Type.Array(Route, { description: "Which requests go where. What no route takes is answered with 404." }),
    endpoints: Type.Optional(Endpoints),
    metering: Type.Optional(Metering),
    limitHeaders: Type.Optional(
      Type.Array(oneOf(["draft-10", "draft-6", "x-ratelimit"], ""), {
        minItems: 1,
        uniqueItems: true,
        description:
          "Headers that tell clients of their limits: `draft-10` (`RateLimit`, `RateLimit-Policy`, one item for each limit), `draft-6` (`RateLimit-Limit`, `-Remaining`, `-Reset`), `x-ratelimit` (the same with `X-`); the last two tell of the limit that is nearest.",
        default: ["draft-10"],
      }),
    ),
    errors: Type.Optional(
      Type.Object(
        {
          format: Type.Optional(
            oneOf(["problem", "plain"], "Body of refusals: RFC 9457, or `{error, message}`.", "problem"),
          ),
          upgradeUrl: Type.Optional(
            Type.String({
              pattern: "^https?://[^/]+",
              description: "Where customers get more: `upgrade_url` in refusals by quotas, credits and spend caps.",
            }),
          ),
        },
        { ...strict, description: "How refusals look." },
      ),
    ),
  },
  { ...strict, title: "Tollgate gateway.yaml", description: "Configuration of the Tollgate API gateway." },
);

export type GatewayFile = Static<typeof GatewayFile>;
