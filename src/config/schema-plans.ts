/** The shape of `gateway.yaml`: rates, meters and plans. See `schema.ts`. Pure. */
import Type from "typebox";
import { byName, duration, names, oneOf, strict } from "./schema-parts.ts";

export const Rate = Type.Object(
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

export const Meter = Type.Object(
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

export const Plan = Type.Object(
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
