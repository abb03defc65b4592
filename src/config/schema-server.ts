/** The shape of `gateway.yaml`: listeners, protective limits and the store. See `schema.ts`. Pure. */
import Type from "typebox";
import { ADDRESS, duration, oneOf, SEALING_KEY, size, strict } from "./schema-parts.ts";

const Limits = Type.Object(
  {
    headerBytes: Type.Optional(size("Largest request header section; more is answered with 431.", "16KiB")),
    bodyBytes: Type.Optional(
      Type.Union([size("", "10MiB"), Type.Null()], {
        description: "Largest request body; more is answered with 413. `null` sets no limit.",
        default: "10MiB",
      }),
    ),
    bodyRate: Type.Optional(
      Type.Union([Type.Integer({ minimum: 1, maximum: 1_000_000 }), Type.Null()], {
        description:
          "Bytes a second by which a request body must come at least, after ten seconds of grace; one that comes more slowly is answered with 408. `null` lets any pace pass.",
        default: 240,
      }),
    ),
    connections: Type.Optional(
      Type.Union([Type.Literal("auto"), Type.Integer({ minimum: 1, maximum: 1_000_000 })], {
        description:
          "Client connections at the same time, per worker. `auto`, and at most: what the limit of open files leaves beside upstreams' connections. One more closes the connection that has been without a request longest, or is closed itself when all have one.",
        default: "auto",
      }),
    ),
    headerTimeout: Type.Optional(duration("Time a client has to send its request headers.", "10s")),
    idleTimeout: Type.Optional(
      duration(
        "Time an idle keep-alive connection stays open, and the longest silence of a client inside its body; then 408.",
        "60s",
      ),
    ),
    requestTimeout: Type.Optional(
      duration("Time an upstream has to answer with headers, and the longest silence inside a body; then 504.", "5m"),
    ),
  },
  { ...strict, description: "Protective limits; each has a default." },
);

const Tls = Type.Object(
  {
    cert: Type.String({
      minLength: 1,
      description: "Certificate and those between it and a root, in PEM: `${file:certs/fullchain.pem}`.",
    }),
    key: Type.String({
      minLength: 1,
      description: "Its private key, in PEM and not encrypted: `${file:certs/key.pem}`.",
    }),
    minVersion: Type.Optional(oneOf(["TLSv1.2", "TLSv1.3"], "Oldest version a client may speak.", "TLSv1.2")),
  },
  {
    ...strict,
    description:
      "Makes `listen` speak HTTPS (HTTP/1.1 over TLS). A renewed certificate is taken in with `SIGHUP`; connections that are open keep theirs.",
  },
);

export const Server = Type.Object(
  {
    listen: Type.Optional(
      Type.String({
        pattern: ADDRESS,
        description: "Address and port of the traffic and of the self-service endpoints. Port 0 takes a free one.",
        default: "127.0.0.1:8080",
      }),
    ),
    tls: Type.Optional(Tls),
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
    adminOnListen: Type.Optional(
      Type.Boolean({
        description:
          "Also serve the admin API on `listen`, below `prefix`, to users and keys whose roles have the permission of the operation (`tollgate:accounts:read`, `tollgate:accounts:*`, `tollgate:admin` for all).",
        default: false,
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
    lane: Type.Optional(
      oneOf(
        ["auto", "full"],
        "`auto`: a lane of our own for HTTP/1.1, several times cheaper, and the full lane for upgrades. `full`: the full lane, on Node's own HTTP, for all; both answer the same, so choose it only to rule the other one out.",
        "auto",
      ),
    ),
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

export const Store = Type.Object(
  {
    url: Type.Optional(
      Type.String({
        pattern: "^sqlite:.+$",
        description:
          "`sqlite:PATH`, relative to the configuration file. Its folder is the data folder: journal, pepper and kept key sets live there too.",
        default: "sqlite:data/tollgate.db",
      }),
    ),
    sealingKeys: Type.Optional(
      Type.Array(Type.String({ pattern: SEALING_KEY }), {
        minItems: 1,
        maxItems: 16,
        description:
          'Keys of 32 bytes, in hexadecimal or base64, that seal the secrets which have to be read again (AES-256-GCM): `["${SEALING_KEY}"]`. The first seals, the others open; after a change, `tollgate secrets rotate` seals all with the first. Left out: the file `sealing-keys` in the data folder, made at first use.',
      }),
    ),
  },
  { ...strict, description: "Where accounts, keys and the ledger are kept." },
);
