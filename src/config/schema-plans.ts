/** The shape of `gateway.yaml`: plans and their quotas. See `schema.ts`. Pure. */
import Type from "typebox";
import { WINDOW_KINDS } from "#core/windows.ts";
import { byName, duration, NAME, names, oneOf, positive, strict } from "./schema-parts.ts";

const timeZone = Type.Optional(
  Type.String({ minLength: 1, description: "IANA name of the zone whose days count; default the file's `timeZone`." }),
);
const day = Type.Optional(
  Type.Integer({
    minimum: 1,
    maximum: 31,
    description: "Day on which months begin, at the latest the month's last; only `per: month`.",
    default: 1,
  }),
);
const per = oneOf(
  [...WINDOW_KINDS],
  "The window. `billing-period` is a month from the account's billing day, `lifetime` never ends.",
);

const Throttle = Type.Object(
  {
    from: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 100,
        description: "Percent of `limit` from which on it holds.",
        default: 100,
      }),
    ),
    limit: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Requests per `per` from then on." }),
    per: duration("The period `limit` is counted over."),
    burst: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Requests at once; default `limit`." }),
    ),
  },
  { ...strict, description: "The lower rate; with `exceed: throttle` only." },
);

const Overage = Type.Object(
  {
    price: Type.Integer({
      minimum: 0,
      maximum: 1_000_000_000_000,
      description: "Minor units of money, in the plan's currency.",
    }),
    per: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: "Units that cost `price`.", default: 1 }),
    ),
  },
  { ...strict, description: "What units beyond the limit cost; with `exceed: overage` only." },
);

const Quota = Type.Object(
  {
    limit: Type.Union([Type.Integer({ minimum: 0, maximum: Number.MAX_SAFE_INTEGER }), Type.Null()], {
      description: "Units allowed in the window; `null` is unlimited.",
    }),
    per,
    by: Type.Optional(
      oneOf(["account", "key", "user"], "Whose units count: the account's, or each key's or user's of it.", "account"),
    ),
    timeZone,
    day,
    exceed: Type.Optional(
      oneOf(
        ["block", "overage", "warn", "throttle", "credits"],
        "Beyond the limit: refuse, count and price, count and warn, slow down, or burn credits.",
        "block",
      ),
    ),
    status: Type.Optional(
      Type.Union([Type.Literal(402), Type.Literal(403), Type.Literal(429)], {
        description: "Status of the refusal; left out, 429, and 402 with `exceed: credits`.",
        default: 429,
      }),
    ),
    grace: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: Number.MAX_SAFE_INTEGER,
        description: "Units beyond `limit` before it blocks.",
        default: 0,
      }),
    ),
    overage: Type.Optional(Overage),
    throttle: Type.Optional(Throttle),
    credits: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000,
        description: "Credits a unit beyond the limit costs; with `exceed: credits` only.",
        default: 1,
      }),
    ),
    thresholds: Type.Optional(
      Type.Array(Type.Integer({ minimum: 1, maximum: 1000 }), {
        maxItems: 16,
        uniqueItems: true,
        description: "Percent of the limit at which an event is made, once a window.",
        default: [80, 90, 100],
      }),
    ),
    shadow: Type.Optional(Type.Boolean({ description: "Decide, log and count, never refuse.", default: false })),
  },
  strict,
);

const PlanRate = Type.Object(
  {
    limit: Type.Optional(
      Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Replaces the rate's `limit`." }),
    ),
    per: Type.Optional(duration("Replaces the rate's `per`.")),
    burst: Type.Optional(Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Default `limit`." })),
    multiplier: Type.Optional(positive("Instead of the others: the rate's `limit` and `burst` times this.")),
  },
  strict,
);

const PlanCredits = Type.Object(
  {
    amount: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: "Credits granted each window." }),
    per,
    timeZone,
    day,
    priority: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000_000, description: "Lower ones burn first.", default: 50 }),
    ),
    rollover: Type.Optional(
      Type.Object(
        {
          max: Type.Integer({ minimum: 1, maximum: 1_000_000_000_000, description: "Most that goes over." }),
        },
        { ...strict, description: "Unused credits go into the next window. Left out: they end." },
      ),
    ),
  },
  { ...strict, description: "Credits the plan grants at the beginning of each window." },
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
    quotas: Type.Optional(
      Type.Record(
        Type.String({ pattern: NAME }),
        Type.Union([Quota, Type.Array(Quota, { minItems: 1, maxItems: 16 })]),
        { ...strict, description: "Limits by meter: one, or a list with other windows or holders." },
      ),
    ),
    rates: Type.Optional(byName(PlanRate, "Other figures for named rates on this plan.")),
    rateMultiplier: Type.Optional(positive("All other rates' `limit` and `burst` times this.")),
    concurrency: Type.Optional(
      byName(
        Type.Integer({ minimum: 1, maximum: 1_000_000, description: "Replaces the `limit`." }),
        "Other figures for named concurrency limits on this plan.",
      ),
    ),
    credits: Type.Optional(PlanCredits),
    features: Type.Optional(names("Features that routes may require.")),
  },
  strict,
);
