/** The shape of `gateway.yaml`: what the gateway's own endpoints ask of their callers. See `schema.ts`. Pure. */
import Type from "typebox";
import { names, strict } from "./schema-parts.ts";
import { RouteRates, Schemes } from "./schema-routes.ts";

const EndpointRule = Type.Object(
  {
    operations: Type.Array(Type.String({ minLength: 1 }), {
      minItems: 1,
      uniqueItems: true,
      description:
        "Which endpoints on `listen`: names (`tollgate.api-keys.create`), or the beginning of names with a `*` (`tollgate.api-keys.*`).",
    }),
    schemes: Schemes,
    require: Type.Optional(
      Type.Object(
        {
          roles: Type.Optional(names("One of these roles.")),
          permissions: Type.Optional(names("All of these permissions.")),
          scopes: Type.Optional(names("All of these scopes.")),
          features: Type.Optional(names("All of these plan features.")),
        },
        { ...strict, description: "What the caller must have, beside what the endpoint asks for by itself." },
      ),
    ),
    rates: RouteRates,
  },
  strict,
);

export const Endpoints = Type.Object(
  {
    rules: Type.Optional(
      Type.Array(EndpointRule, {
        description:
          "What endpoints ask of their callers, and how often they may be called. All rules that name an endpoint hold.",
      }),
    ),
  },
  { ...strict, description: "The gateway's own endpoints below `server.prefix`." },
);
