/** H11–H16, H19, H20: claims of the wrong kind, ambiguous JSON and encodings, and tokens that are too much. */
import { expect } from "vitest";
import { encodePart } from "#test/support/jwt.ts";
import { rawExchange } from "#test/support/raw.ts";
import { until } from "#test/support/until.ts";
import { bearer, get, refused } from "./expectations.ts";
import { acceptedToken, refusedToken } from "./jwt-algorithms.ts";
import { EC_KEY, goodClaims, goodHeader } from "./jwt-world.ts";
import { partsOf, signAs } from "./jws.ts";
import type { Row } from "./runner.ts";
import { STRICT_ISSUER } from "./world-config.ts";

/** Signed properly, whatever it says; strings are JSON text. */
const signed = (payload: unknown, header: unknown = goodHeader(EC_KEY)) =>
  signAs("ES256", EC_KEY.privateKey, header, payload);
const now = () => Math.floor(Date.now() / 1000);
const DAY_S = 86_400;

export const JWT_CLAIMS: readonly Row[] = [
  {
    id: "H11",
    class: "jwt",
    name: "exp that is missing, no number, or beyond any calendar is refused",
    cases: ({ jwks }) => {
      const { exp: _, ...rest } = goodClaims(jwks.issuer);
      const withExp = (text: string) => signed(`${JSON.stringify(rest).slice(0, -1)},"exp":${text}}`);
      const texts = [
        '"2000000000"',
        "1e400",
        "1e308",
        "-1",
        "[2000000000]",
        "null",
        "true",
        "{}",
        '""',
        "9007199254740993",
      ];
      return [
        refusedToken("missing", signed(rest), "token:exp"),
        ...texts.map((text) => refusedToken(text, withExp(text), "token:exp")),
        refusedToken("-0", withExp("-0"), "token:exp"),
        refusedToken("1e-400", withExp("1e-400"), "token:exp"),
        acceptedToken("a fraction, RFC 7519 §2 allows it", withExp(`${now() + 60}.5`)),
      ];
    },
  },
  {
    id: "H12",
    class: "jwt",
    name: "times are taken at their word: no leeway but the configured one, no far future, no life beyond the limit",
    cases: ({ jwks }) => {
      const main = (more: Readonly<Record<string, unknown>>) => signed(goodClaims(jwks.issuer, more));
      const strict = (more: Readonly<Record<string, unknown>>) =>
        signed(goodClaims(STRICT_ISSUER, { jti: "1", ...more }), goodHeader(EC_KEY, { typ: "at+jwt" }));
      return [
        refusedToken("expired 1 s ago", main({ exp: now() - 1 }), "token:exp"),
        refusedToken("expires now", main({ exp: now() }), "token:exp"),
        refusedToken("not before a minute from now", main({ nbf: now() + 60 }), "token:nbf"),
        refusedToken("issued tomorrow", main({ iat: now() + DAY_S, exp: now() + 2 * DAY_S }), "token:iat"),
        refusedToken("nbf is a text", main({ nbf: "0" }), "token:nbf"),
        refusedToken("iat is a text", main({ iat: String(now()) }), "token:iat"),
        refusedToken("iat is null", main({ iat: null }), "token:iat"),
        refusedToken("lives longer than the limit", strict({ exp: now() + 7200 }), "token:lifetime"),
        refusedToken("life cannot be known", strict({ iat: undefined }), "token:lifetime"),
        refusedToken("a required claim is missing", strict({ jti: undefined }), "token:jti"),
        refusedToken("beyond the leeway", strict({ exp: now() - 31 }), "token:exp"),
        acceptedToken("within the leeway", strict({ iat: now() - 60, exp: now() - 5 })),
        acceptedToken("all as it should be", strict({})),
      ];
    },
  },
  {
    id: "H13",
    class: "jwt",
    name: "aud and iss are compared whole: no prefix, suffix, other case or other type",
    cases: ({ jwks }) => {
      const aud = (value: unknown) => signed(goodClaims(jwks.issuer, { aud: value }));
      const iss = (value: unknown) => signed(goodClaims(jwks.issuer, { iss: value }));
      return [
        ...[undefined, "", "ap", "api2", "API", " api", [], ["other"], [["api"]], null, 1, { api: true }].map((value) =>
          refusedToken(`aud ${JSON.stringify(value)}`, aud(value), "token:aud"),
        ),
        ...[
          undefined,
          "",
          `${jwks.issuer}/`,
          jwks.issuer.slice(0, -1),
          jwks.issuer.toUpperCase(),
          [jwks.issuer],
          null,
        ].map((value) => refusedToken(`iss ${JSON.stringify(value)}`, iss(value), "token:iss")),
        refusedToken("of another trusted issuer, without its rules", iss(STRICT_ISSUER), "token:typ"),
        acceptedToken("ours among several", aud(["other", "api"])),
      ];
    },
  },
  {
    id: "H14",
    class: "jwt",
    name: "tokens of another kind are refused by typ; where JWT is not a listed type, so is one that does not say its type",
    cases: ({ jwks }) => {
      const main = (typ: unknown) => signed(goodClaims(jwks.issuer), goodHeader(EC_KEY, { typ }));
      const strict = (typ: unknown) => signed(goodClaims(STRICT_ISSUER, { jti: "1" }), goodHeader(EC_KEY, { typ }));
      return [
        ...["dpop+jwt", "secevent+jwt", "logout+jwt", "JWE", "", "application/dpop+jwt", "JWT "].map((typ) =>
          refusedToken(`typ ${typ}`, main(typ), "token:typ"),
        ),
        ...[1, null, ["JWT"]].map((typ) => refusedToken(`typ ${JSON.stringify(typ)}`, main(typ), "token:typ")),
        refusedToken("an ID token where access tokens are asked for", strict("JWT"), "token:typ"),
        refusedToken("the same, saying nothing", strict(undefined), "token:typ"),
        acceptedToken("at+jwt", strict("at+jwt")),
        acceptedToken("its full media type", strict("application/at+jwt")),
        acceptedToken("no typ, where JWT is listed", main(undefined)),
      ];
    },
  },
  {
    id: "H15",
    class: "jwt",
    name: "a key that stands twice in header or payload is refused, however it is spelled and however deep",
    cases: ({ jwks }) => {
      const claims = JSON.stringify(goodClaims(jwks.issuer)).slice(0, -1);
      const header = JSON.stringify(goodHeader(EC_KEY)).slice(0, -1);
      const payloads = [
        `,"sub":"root"}`,
        `,"s\\u0075b":"root"}`,
        `,"x":{"a":1,"a":2}}`,
        `,"x":[{"y":{"z":1,"z":1}}]}`,
        `,"__proto__":1,"__proto__":2}`,
      ];
      const headers = [`,"kid":"ed"}`, `,"alg":"none"}`, `,"\\u0061lg":"ES256"}`];
      return [
        ...payloads.map((end) => refusedToken(`payload ${end}`, signed(claims + end), "token:json")),
        ...headers.map((end) =>
          refusedToken(`header ${end}`, signed(goodClaims(jwks.issuer), header + end), "token:json"),
        ),
        acceptedToken("the same name at another depth", signed(`${claims},"x":{"sub":"root"}}`)),
      ];
    },
  },
  {
    id: "H16",
    class: "jwt",
    name: "only the one canonical base64url text of a token is taken",
    cases: ({ token }) => {
      const good = token();
      const [header, payload, signature] = partsOf(good);
      const spare = (part: string) => part.slice(0, -1) + nextLetter(part.at(-1) ?? "");
      const wrong = (what: string, text: string) => refusedToken(what, text, /^token:(encoding|form)$/);
      return [
        wrong("padded signature", `${good}==`),
        wrong("padded header", `${header}=.${payload}.${signature}`),
        wrong("spare bits in the signature", `${header}.${payload}.${spare(signature)}`),
        wrong("standard alphabet", `${header}.${payload}.${signature.replaceAll("-", "+").replaceAll("_", "/")}+/`),
        wrong("a space inside", `${header}.${payload.slice(0, 9)} ${payload.slice(9)}.${signature}`),
        wrong("a tab before a dot", `${header}\t.${payload}.${signature}`),
        wrong("an extra dot", `${good}.`),
        wrong("a leading dot", `.${good}`),
        wrong("four parts", `${good}.${signature}`),
        wrong("an empty payload", `${header}..${signature}`),
        wrong("a stray character", `${header}.${payload}.${signature}~`),
        acceptedToken("as it was", good),
      ];
    },
  },
  {
    id: "H19",
    class: "jwt",
    name: "a token above 8 KiB is refused unread, one above the header limit with 431, and deep JSON is not walked",
    cases: ({ token, jwks }) => [
      refusedToken("8 KiB + 1", token().padEnd(8193, "A"), "token:length"),
      refusedToken("8 KiB", token().padEnd(8192, "A"), "token:signature"),
      refusedToken(
        "5,000 deep",
        `${encodePart(goodHeader(EC_KEY))}.${encodePart("[".repeat(5000))}.AAAA`,
        "token:json",
      ),
      refusedToken(
        "17 deep",
        signed(goodClaims(jwks.issuer, { x: JSON.parse("[".repeat(16) + "]".repeat(16)) })),
        "token:json",
      ),
      acceptedToken("16 deep", signed(goodClaims(jwks.issuer, { x: JSON.parse("[".repeat(15) + "]".repeat(15)) }))),
      {
        what: "20 KiB: stricter than 401, the header section is too large",
        send: get("/private/x", bearer("A".repeat(20 * 1024))),
        expect: refused(431, "limit:headers", { close: true }),
      },
    ],
    story: async (world) => {
      const before = await world.tally();
      const refusals = () => world.gateway.logs().filter(({ reason }) => reason === "limit:headers").length;
      const seen = refusals();
      const answer = await rawExchange(world.gateway.port, get("/private/x", bearer("A".repeat(1024 * 1024))));
      // The gateway does not read on, so a reset may overtake its answer.
      expect(answer.closed).toBe(true);
      expect(answer.responses.filter(({ status }) => status !== 431)).toEqual([]);
      await until("1 MiB: stricter than 401 as well", () => refusals() === seen + 1);
      expect(await world.tally()).toEqual(before);
    },
  },
  {
    id: "H20",
    class: "jwt",
    name: "encrypted tokens, compression and costly key derivation are refused at the form of the token",
    cases: ({ jwks }) => {
      const part = encodePart("x".repeat(40));
      const jwe = (header: unknown) => `${encodePart(header)}.${part}.${part}.${part}.${part}`;
      const asJws = (header: Readonly<Record<string, unknown>>) =>
        signed(goodClaims(jwks.issuer), goodHeader(EC_KEY, header));
      return [
        refusedToken("JWE", jwe({ alg: "RSA-OAEP", enc: "A256GCM" }), "token:form"),
        refusedToken("zip bomb", jwe({ alg: "dir", enc: "A256GCM", zip: "DEF" }), "token:form"),
        refusedToken(
          "PBES2",
          jwe({ alg: "PBES2-HS256+A128KW", p2c: 1_000_000_000, p2s: "AAAA", enc: "A128GCM" }),
          "token:form",
        ),
        ...[{ enc: "A256GCM" }, { zip: "DEF" }, { p2c: 1_000_000_000 }].map((header) =>
          refusedToken(`JWS with ${JSON.stringify(header)}`, asJws(header), "token:header"),
        ),
      ];
    },
  },
];

/** The letter whose last bit differs: the same bytes when those bits are spare. */
function nextLetter(letter: string): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  return alphabet[alphabet.indexOf(letter) ^ 1] ?? "A";
}
