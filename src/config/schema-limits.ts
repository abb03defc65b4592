/** The shape of `gateway.yaml`: rates, concurrency limits, meters and how usage is kept. See `schema.ts`. Pure. */
import Type from "typebox";
import { duration, oneOf, positive, size, strict } from "./schema-parts.ts";

const by = Type.Optional(
  Type.Union(
    [
      oneOf(["account", "user", "key", "ip", "route", "plan"], ""),
      Type.String({ pattern: "^claim:.+$" }),
      Type.Array(
        Type.Union([
          oneOf(["account", "user", "key", "ip", "route", "plan"], ""),
          Type.String({ pattern: "^claim:.+$" }),
        ]),
        { minItems: 1, uniqueItems: true },
      ),
    ],
    {
      description:
        "What each one belongs to: `account`, `user`, `key`, `ip` (IPv6 by /64), `route`, `plan`, `claim:PATH` of the token, or a list. What a caller lacks falls back to the nearest it has, an anonymous one's to the address.",
      default: "account",
    },
  ),
);
const shadow = Type.Optional(Type.Boolean({ description: "Decide, log and count, never refuse.", default: false }));

export const Rate = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1_000_000_000, description: "Requests allowed per `per`, sustained." }),
    per: duration("The period `limit` is counted over."),
    burst: Type.Optional(
      Type.Integer({
        minimum: 1,
        maximum: 1_000_000_000,
        description: "Requests allowed at once; default `limit`. Only token buckets have one.",
      }),
    ),
    by,
    algorithm: Type.Optional(
      oneOf(
        ["token-bucket", "fixed-window", "sliding-window"],
        "How it is counted. A fixed window begins with its first request.",
        "token-bucket",
      ),
    ),
    shadow,
  },
  strict,
);

export const Concurrency = Type.Object(
  {
    limit: Type.Integer({ minimum: 1, maximum: 1_000_000, description: "Requests under way at the same time." }),
    by,
    shadow,
  },
  strict,
);

export const Meter = Type.Object(
  {
    description: Type.Optional(Type.String({ description: "Shown in usage answers." })),
    aggregate: Type.Optional(
      oneOf(
        ["count", "sum", "max", "last"],
        "How it adds up: requests, units, the largest value of a window, or the last value (a gauge, such as seats or storage).",
        "sum",
      ),
    ),
    from: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "Where the value of `measured` routes is: `request.header:NAME`, `response.header:NAME`, `request.json:PATH`, `response.json:PATH`, `sse.last:PATH`, `ndjson.last:PATH`, `duration` (seconds), `bytes.in`, `bytes.out`, or `upstream`. The upstream's `x-tollgate-usage: tokens=123` wins over all of them.",
      }),
    ),
    scale: Type.Optional(
      Type.Union([Type.String({ pattern: "^[0-9]+(\\.[0-9]+)?(/[0-9]+(\\.[0-9]+)?)?$" }), positive("")], {
        description: "The value is multiplied by this, exactly: `1/60`, `0.001`, `1000`.",
        default: 1,
      }),
    ),
    round: Type.Optional(oneOf(["up", "down", "nearest"], "How fractions become whole units.", "up")),
    minimum: Type.Optional(
      Type.Integer({ minimum: 0, maximum: 1_000_000_000, description: "Fewest units a value counts.", default: 0 }),
    ),
    estimate: Type.Optional(
      Type.Union(
        [
          Type.Integer({ minimum: 0, maximum: 1_000_000_000 }),
          Type.String({ pattern: "^request\\.header:[A-Za-z0-9-]+$" }),
        ],
        { description: "Units reserved until the value is known: a number, or `request.header:NAME`.", default: 0 },
      ),
    ),
    fallback: Type.Optional(
      Type.Integer({
        minimum: 0,
        maximum: 1_000_000_000,
        description:
          "Units counted when the value is missing or no good; default what was reserved. Each case is logged and counted.",
      }),
    ),
  },
  { ...strict, description: "A thing that is counted." },
);

export const Metering = Type.Object(
  {
    durability: Type.Optional(
      oneOf(
        ["process", "disk"],
        "`process`: usage survives any crash of the process. `disk`: it also survives a power cut, but for the last 20 ms and the time of a sync.",
        "process",
      ),
    ),
    "on-journal-failure": Type.Optional(
      oneOf(["refuse", "serve"], "When usage cannot be written: answer 503, or serve unmetered.", "refuse"),
    ),
    keepJournal: Type.Optional(
      duration(
        "How long the journal stays after the ledger took it in: what `tollgate reconcile` looks back on.",
        "24h",
      ),
    ),
    bodyCap: Type.Optional(size("Largest part of a body that is looked through for a meter's value.", "10MiB")),
    events: Type.Optional(
      Type.Object(
        {
          late: Type.Optional(
            oneOf(
              ["own", "current", "reject"],
              "Where usage counts that is reported after its window ended: in that window, in the current one, or nowhere.",
              "own",
            ),
          ),
          maxAge: Type.Optional(duration("Oldest time an event may have; at most 35d.", "35d")),
          maxAhead: Type.Optional(duration("How far in the future an event may lie.", "5m")),
        },
        { ...strict, description: "Usage that is reported by `POST /usage/events`." },
      ),
    ),
  },
  { ...strict, description: "How usage is kept." },
);
