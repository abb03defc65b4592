/**
 * The shape of `gateway.yaml`: one TypeBox schema from which come the types, the JSON Schema file
 * (`config/gateway.schema.json`) and the validation. Runs on the main thread, at load.
 * Not here: meaning across keys (a route that names a missing upstream) is `semantics.ts`.
 * Every `description` is the documentation of that key; `docs/configuration.md` is made from it.
 */
import Type, { type Static } from "typebox";
import { Identity } from "./schema-identity.ts";
import { byName, names, oneOf, strict } from "./schema-parts.ts";
import { Meter, Plan, Rate } from "./schema-plans.ts";
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
