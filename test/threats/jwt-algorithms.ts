/** H01–H06, H09, H10, H17: tokens that choose their own key or algorithm, and signatures that are none. */
import { makeKey, unsignedToken } from "#test/support/jwt.ts";
import { bearer, getPrivate, passed, refused } from "./expectations.ts";
import { bigintOf, bytes32, derOf, hmacToken, P256_ORDER, signAs, signatureOf, withSignature } from "./jws.ts";
import {
  BARE_KEY,
  EC_KEY,
  ED_KEY,
  ENCRYPTION_KEY,
  goodClaims,
  goodHeader,
  RSA_KEY,
  SIGNING_OPS_KEY,
  tokenWithHeader,
  WRAPPING_KEY,
} from "./jwt-world.ts";
import type { Case, Row } from "./runner.ts";

export const refusedToken = (what: string, token: string, reason: string | RegExp = /^token:/): Case => ({
  what,
  send: getPrivate(bearer(token)),
  expect: refused(401, reason),
});

export const acceptedToken = (what: string, token: string): Case => ({
  what,
  send: getPrivate(bearer(token)),
  expect: passed({ upstream: { equals: { "x-tollgate-account": "acme", "x-tollgate-user": "u1" } } }),
});

export const JWT_ALGORITHMS: readonly Row[] = [
  {
    id: "H01",
    class: "jwt",
    name: "`alg: none` in any spelling is refused, with and without a signature",
    cases: ({ jwks, token }) =>
      ["none", "None", "nOnE", "NONE", "none ", ""].flatMap((alg) => {
        const bare = unsignedToken(goodClaims(jwks.issuer), alg);
        const signed = withSignature(bare, signatureOf(token()));
        return [
          refusedToken(`${alg}, no signature`, bare, "token:encoding"),
          refusedToken(`${alg}, two parts`, bare.slice(0, -1), "token:form"),
          refusedToken(`${alg}, a signature`, signed, "token:alg"),
        ];
      }),
  },
  {
    id: "H02",
    class: "jwt",
    name: "HS256 under a public key in any form is refused",
    cases: ({ jwks }) => {
      const { publicKey, jwk } = RSA_KEY;
      const secrets = {
        PEM: publicKey.export({ format: "pem", type: "spki" }),
        "PEM without its line end": publicKey.export({ format: "pem", type: "spki" }).toString().trim(),
        "PKCS#1": publicKey.export({ format: "pem", type: "pkcs1" }),
        DER: publicKey.export({ format: "der", type: "spki" }),
        n: String(jwk.n),
        "n as bytes": Buffer.from(String(jwk.n), "base64url"),
        JWK: JSON.stringify(jwk),
        "JWK set": JSON.stringify({ keys: jwks.keys.map((key) => key.jwk) }),
        nothing: "",
      };
      return Object.entries(secrets).flatMap(([form, secret]) => [
        refusedToken(
          form,
          hmacToken(secret, goodHeader(RSA_KEY, { alg: "HS256" }), goodClaims(jwks.issuer)),
          "token:alg",
        ),
        refusedToken(
          `${form}, as RS256`,
          hmacToken(secret, goodHeader(RSA_KEY), goodClaims(jwks.issuer)),
          "token:signature",
        ),
      ]);
    },
  },
  {
    id: "H03",
    class: "jwt",
    name: "the header's alg never widens what configuration and key allow; a JWK without alg verifies the configured ones only",
    cases: ({ jwks }) => {
      const by = (alg: string, key: typeof RSA_KEY, header: string) =>
        signAs(alg, key.privateKey, goodHeader(key, { alg: header }), goodClaims(jwks.issuer));
      return [
        refusedToken("RS512 of an RS256 key", by("RS512", RSA_KEY, "RS512"), "token:alg"),
        refusedToken("PS256 of an RS256 key", by("PS256", RSA_KEY, "PS256"), "token:alg"),
        refusedToken("says ES256, kid is RSA", by("RS256", RSA_KEY, "ES256"), "token:kid"),
        refusedToken("says EdDSA, kid is EC", by("ES256", EC_KEY, "EdDSA"), "token:kid"),
        refusedToken("says RS256, kid is Ed25519", by("EdDSA", ED_KEY, "RS256"), "token:kid"),
        refusedToken("another case", by("ES256", EC_KEY, "es256"), "token:alg"),
        refusedToken("a list", tokenWithHeader(EC_KEY, jwks.issuer, { alg: ["ES256"] }), "token:header"),
        refusedToken("JWK without alg: PS256, not configured", by("PS256", BARE_KEY, "PS256"), "token:alg"),
        refusedToken(
          "JWK without alg: HS256",
          hmacToken(String(BARE_KEY.jwk.n), goodHeader(BARE_KEY, { alg: "HS256" }), goodClaims(jwks.issuer)),
          "token:alg",
        ),
        refusedToken("JWK without alg: ES256, not its type", by("RS256", BARE_KEY, "ES256"), "token:kid"),
        acceptedToken("JWK without alg: RS256, configured", by("RS256", BARE_KEY, "RS256")),
        acceptedToken("RS256", by("RS256", RSA_KEY, "RS256")),
        acceptedToken("ES256", by("ES256", EC_KEY, "ES256")),
        acceptedToken("EdDSA", by("EdDSA", ED_KEY, "EdDSA")),
      ];
    },
  },
  {
    id: "H04",
    class: "jwt",
    name: "a key inside the header is not looked at",
    cases: ({ jwks }) => {
      const own = makeKey("ES256", EC_KEY.kid);
      const x5c = [own.publicKey.export({ format: "der", type: "spki" }).toString("base64")];
      return [
        refusedToken("jwk", tokenWithHeader(own, jwks.issuer, { jwk: own.jwk }), "token:signature"),
        refusedToken("x5c", tokenWithHeader(own, jwks.issuer, { x5c, x5t: "AAAA" }), "token:signature"),
        refusedToken(
          "jwk without kid",
          tokenWithHeader(own, jwks.issuer, { kid: undefined, jwk: own.jwk }),
          "token:signature",
        ),
      ];
    },
  },
  {
    id: "H09",
    class: "jwt",
    name: "signatures of zeros, of the group's order, in DER or of another length are refused; high S is a valid JWS",
    cases: ({ token }) => signatureCases(token()),
  },
  {
    id: "H10",
    class: "jwt",
    name: "crit in any form and b64 are refused: no extension is understood",
    cases: ({ jwks }) =>
      [
        { crit: ["exp"] },
        { crit: ["x-unknown"], "x-unknown": 1 },
        { crit: [] },
        { crit: ["b64", "b64"], b64: true },
        { crit: "b64" },
        { crit: null },
        { crit: [1] },
        { b64: false, crit: ["b64"] },
        { b64: false },
        { b64: true },
      ].map((header) =>
        refusedToken(JSON.stringify(header), tokenWithHeader(EC_KEY, jwks.issuer, header), "token:header"),
      ),
  },
  {
    id: "H17",
    class: "jwt",
    name: "keys for encryption, or without verify among their operations, verify nothing",
    cases: ({ jwks }) =>
      [ENCRYPTION_KEY, WRAPPING_KEY, SIGNING_OPS_KEY].map((key) =>
        refusedToken(key.kid, tokenWithHeader(key, jwks.issuer, {}), "token:kid"),
      ),
  },
];

function signatureCases(token: string): readonly Case[] {
  const signature = signatureOf(token);
  const r = signature.subarray(0, 32);
  const s = bigintOf(signature.subarray(32));
  const zero = bytes32(0n);
  const order = bytes32(P256_ORDER);
  const wrong = (what: string, bytes: Uint8Array) => refusedToken(what, withSignature(token, bytes), "token:signature");
  return [
    wrong("r = s = 0", Buffer.concat([zero, zero])),
    wrong("r = 0", Buffer.concat([zero, signature.subarray(32)])),
    wrong("s = 0", Buffer.concat([r, zero])),
    wrong("r = s = n", Buffer.concat([order, order])),
    wrong("s = n", Buffer.concat([r, order])),
    wrong("r = n, s = 1", Buffer.concat([order, bytes32(1n)])),
    wrong("r = s = 1", Buffer.concat([bytes32(1n), bytes32(1n)])),
    wrong("DER", derOf(signature)),
    wrong("one byte short", signature.subarray(0, 63)),
    wrong("one byte long", Buffer.concat([signature, Buffer.from([0])])),
    wrong("swapped", Buffer.concat([signature.subarray(32), r])),
    refusedToken("none", withSignature(token, ""), "token:encoding"),
    acceptedToken("high S", withSignature(token, Buffer.concat([r, bytes32(P256_ORDER - s)]))),
    acceptedToken("as signed", token),
  ];
}
