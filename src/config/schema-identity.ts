/** The shape of `gateway.yaml`: issuers of tokens, and API keys. See `schema.ts`. Pure. */
import Type from "typebox";
import { KEY_ENVIRONMENTS, STANDARD_FORMAT } from "#core/key-format.ts";
import { ALPHABETS } from "#core/foreign-format.ts";
import { WINDOW_KINDS } from "#core/windows.ts";
import { duration, name, names, oneOf, strict } from "./schema-parts.ts";

const Claims = Type.Object(
  {
    user: Type.Optional(Type.String({ minLength: 1, description: "Claim with the user id.", default: "sub" })),
    account: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "Claim with the account (project, organisation). Left out: the user. Accounts are one namespace over all issuers; ids that begin with `acct_` are refused.",
      }),
    ),
    roles: Type.Optional(Type.String({ minLength: 1, description: "Claim with one role or a list of roles." })),
    permissions: Type.Optional(Type.String({ minLength: 1, description: "Claim with a list of permissions." })),
    scopes: Type.Optional(
      Type.Union([Type.String({ minLength: 1 }), Type.Null()], {
        description:
          "Claim with scopes, a list or space-separated; a token without it has none. `null`: these tokens know no scopes, and are held to none, like a key that is not narrowed to any.",
        default: "scope",
      }),
    ),
    plan: Type.Optional(
      Type.String({ minLength: 1, description: "Claim with the plan, used while the account has none of its own." }),
    ),
    email: Type.Optional(
      Type.String({
        minLength: 1,
        description:
          "Claim with the user's e-mail, kept when the user is first seen: not where `email_verified` is false, nor where another user has it.",
        default: "email",
      }),
    ),
    name: Type.Optional(
      Type.String({
        minLength: 1,
        description: "Claim with the user's name, kept when the user is first seen.",
        default: "name",
      }),
    ),
  },
  {
    ...strict,
    description:
      'Which claims say what. Dots reach into objects; a claim whose whole name this is comes first, and `app["https://a.example/roles"]` quotes a name with dots in it. With `clerk`, the organisation is `org_id`, `org_role`, `org_slug` and `org_permissions` in both versions of its tokens, and `plan` is what `pla` names.',
  },
);

const JWT_ALGORITHMS = [
  "RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA", "Ed25519",
] as const; // biome-ignore format: one line each would hide the list

const Issuer = Type.Object(
  {
    name: name("Name used in logs and metrics."),
    preset: Type.Optional(
      oneOf(
        ["oidc", "clerk", "auth0", "cognito", "dynamic", "local"],
        "Whose tokens these are: says where the keys are, which claims mean what and whom a token is for. `local` is the gateway's own signing key (`tollgate token`); its public keys are at `/.well-known/jwks.json`.",
        "oidc",
      ),
    ),
    issuer: Type.Optional(
      Type.String({ minLength: 1, description: "Exact value of the `iss` claim. Required unless `preset: local`." }),
    ),
    jwks: Type.Optional(
      Type.String({
        pattern: "^(https?://|file:).+$",
        description:
          "Key set: an http(s) URL, or `file:PATH`. Left out: where the preset has it; with `oidc`, where the issuer's `/.well-known/openid-configuration` says.",
      }),
    ),
    audiences: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description:
          "Accepted values of the `aud` claim; one must match. Required with `oidc`, `auth0`, `dynamic` and `local`. Left out elsewhere: a token that has an audience is refused.",
      }),
    ),
    authorizedParties: Type.Optional(
      Type.Array(Type.String({ minLength: 1 }), {
        minItems: 1,
        description:
          "Accepted values of the `azp` claim, or of `client_id` where there is none: origins with `clerk`, client ids elsewhere. Required with `cognito`. Left out: any.",
      }),
    ),
    tokenUse: Type.Optional(
      oneOf(["access", "id", "any"], "Only with `cognito`: which of its tokens are taken (`token_use`).", "access"),
    ),
    scopes: Type.Optional(names("Scopes a token must have, all of them.")),
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
        description:
          "Accepted values of the `typ` header; a token without one counts as `JWT`. With `clerk`: `JWT` alone.",
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
    roleSource: Type.Optional(
      oneOf(
        ["token", "members"],
        "Where a user's roles come from, never from both: `token` its claims; `members` the account's list of members (`/members`), whatever roles and permissions the token names. With `members` a user who was removed from the account is refused.",
        "token",
      ),
    ),
  },
  strict,
);

const keyLengths = { minimum: 16, maximum: 200 } as const;
const keyLength = Type.Integer(keyLengths);

const quotaWindows = (whose: string) =>
  Type.Optional(
    Type.Array(oneOf([...WINDOW_KINDS], ""), {
      uniqueItems: true,
      description: `Windows in which every meter is counted for each ${whose}, so that it can have quotas of its own; windows of the plans' quotas with \`by: ${whose === "key" ? "key" : "user"}\` are there anyway. Each takes a counter for each ${whose} and meter.`,
      default: [],
    }),
  );

const keyFormat = {
  brand: Type.Optional(
    Type.String({
      pattern: "^[a-z][a-z0-9]{0,15}$",
      description: "First part of every API key.",
      default: STANDARD_FORMAT.brand,
    }),
  ),
  kind: Type.Optional(
    Type.String({
      pattern: "^[a-z]{2,8}$",
      description: "Second part of every API key.",
      default: STANDARD_FORMAT.kind,
    }),
  ),
  length: Type.Optional(
    Type.Integer({
      minimum: 28,
      maximum: 128,
      description:
        "Letters and digits after the environment, the six of the checksum included: at 28 there are 130 random bits.",
      default: STANDARD_FORMAT.length,
    }),
  ),
  checksum: Type.Optional(
    Type.Boolean({
      description:
        "Whether the last six characters are a checksum. Without one, every text of the right shape has to be looked up before it is refused.",
      default: STANDARD_FORMAT.checksum,
    }),
  ),
};

const Foreign = Type.Object(
  {
    prefix: Type.String({
      pattern: "^(?!eyJ)[A-Za-z0-9_.-]{2,32}$",
      description: "What each of them begins with; tells them from tokens.",
    }),
    alphabet: Type.Optional(
      oneOf(
        [...ALPHABETS],
        "Characters behind the prefix: letters and digits, hexadecimal digits, or those of base64url.",
        "base62",
      ),
    ),
    length: Type.Union(
      [
        keyLength,
        Type.Object(
          {
            min: Type.Integer({ ...keyLengths, description: "Fewest." }),
            max: Type.Integer({ ...keyLengths, description: "Most." }),
          },
          strict,
        ),
      ],
      { description: "How many characters are behind the prefix: a number, or `{ min, max }`; from 16 to 200." },
    ),
  },
  strict,
);

const Members = Type.Object(
  {
    quotaWindows: quotaWindows("member"),
    roles: Type.Optional(names("Roles of a user who is first seen in an account that was there.")),
    firstRoles: Type.Optional(names("Roles of the user whose token made the account.")),
  },
  {
    ...strict,
    description:
      "Users as members of accounts. Roles are what they get when a token first names both, and count where `roleSource` is `members`; left out: none.",
  },
);

export const Identity = Type.Object(
  {
    issuers: Type.Optional(Type.Array(Issuer, { description: "JWT issuers that are trusted.", default: [] })),
    keys: Type.Optional(
      Type.Object(
        {
          ...keyFormat,
          accept: Type.Optional(
            Type.Array(Type.Object(keyFormat, strict), {
              maxItems: 20,
              description:
                "Other formats of keys that are taken, those keys had before the format was changed say. What is left out of one is as the defaults are.",
              default: [],
            }),
          ),
          environments: Type.Optional(
            Type.Array(oneOf([...KEY_ENVIRONMENTS], ""), {
              minItems: 1,
              uniqueItems: true,
              description: "Environments whose keys are taken and made here; keys of others are refused.",
              default: [...KEY_ENVIRONMENTS],
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
          foreign: Type.Optional(
            Type.Array(Foreign, {
              maxItems: 8,
              description:
                "How keys of another system look, whose hashes were imported (`tollgate keys import`). Other texts are no keys, and never compared.",
              default: [],
            }),
          ),
          storage: Type.Optional(
            oneOf(
              ["hash", "retrievable"],
              "`hash`: of a key only its keyed hash is kept, and its secret is shown once. `retrievable`: secrets of keys made from then on are also kept, sealed, and can be shown again (`POST /api-keys/{id}/reveal`), which the audit log tells.",
              "hash",
            ),
          ),
          quotaWindows: quotaWindows("key"),
        },
        { ...strict, description: "API keys." },
      ),
    ),
    members: Type.Optional(Members),
    accountHeader: Type.Optional(
      Type.Union([Type.String({ pattern: "^[a-z][a-z0-9-]*$" }), Type.Null()], {
        description:
          "Header, lower case, by which a token acts for another account its user is a member of (our id or the external id), such as `x-account`. Only for issuers with `roleSource: members`; it is not forwarded.",
        default: null,
      }),
    ),
  },
  { ...strict, description: "How callers are identified." },
);
