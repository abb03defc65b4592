/** The strict reader in front of the signature check: one encoding, one meaning, times that are times. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { readToken } from "#data-plane/identity/token-reader.ts";

const CLAIMS = { iss: "https://issuer.test", exp: 2_000_000_000, sub: "u1" };
const HEADER = { alg: "RS256", kid: "k1", typ: "JWT" };

function encode(part: unknown): string {
  const bytes = part instanceof Uint8Array ? part : typeof part === "string" ? part : JSON.stringify(part);
  return Buffer.from(bytes).toString("base64url");
}

function token(header: unknown = HEADER, payload: unknown = CLAIMS, signature = encode("signature")): string {
  return `${encode(header)}.${encode(payload)}.${signature}`;
}

function ruleOf(text: string): string {
  const read = readToken(text);
  if (!("code" in read)) return "accepted";
  expect(read.code).toBe("credentials_invalid");
  return read.rule;
}

test("a sound token is read", () => {
  expect(readToken(token({ ...HEADER, extra: 1 }, { ...CLAIMS, iat: 5, nbf: 6.5 }))).toEqual({
    alg: "RS256",
    kid: "k1",
    typ: "JWT",
    payload: { ...CLAIMS, iat: 5, nbf: 6.5 },
    issuer: "https://issuer.test",
    expiresAt: 2_000_000_000,
    issuedAt: 5,
    notBefore: 6.5,
  });
  expect(readToken(token({ alg: "RS256" }))).toMatchObject({ kid: null, typ: null, issuedAt: null, notBefore: null });
});

test.each<readonly [what: string, text: string, rule: string]>([
  ["nothing", "", "token:form"],
  ["one part", encode(HEADER), "token:form"],
  ["two parts", `${encode(HEADER)}.${encode(CLAIMS)}`, "token:form"],
  ["four parts", `${token()}.`, "token:form"],
  ["five parts, a JWE", "a.b.c.d.e", "token:form"],
  ["a thousand parts", ".".repeat(1_000), "token:form"],
  ["an empty header", `.${encode(CLAIMS)}.${encode("s")}`, "token:encoding"],
  ["an empty payload", `${encode(HEADER)}..${encode("s")}`, "token:encoding"],
  ["an empty signature", token(HEADER, CLAIMS, ""), "token:encoding"],
  ["padding", token(HEADER, CLAIMS, "c2k="), "token:encoding"],
  ["a space before", ` ${token()}`, "token:encoding"],
  ["a line end behind", `${token()}\n`, "token:encoding"],
  ["a line end within", token().replace(".", "\n."), "token:encoding"],
  ["plain base64", token(HEADER, CLAIMS, "a+/b"), "token:encoding"],
  ["spare bits", token(HEADER, CLAIMS, "c2l"), "token:encoding"],
  ["a single character", token(HEADER, CLAIMS, "a"), "token:encoding"],
  ["text beyond base64", token(HEADER, CLAIMS, "é"), "token:encoding"],
  ["a header that is no UTF-8", token(Buffer.from('{"alg":"RS256","x":"\xff"}', "latin1")), "token:encoding"],
  ["claims that are no UTF-8", token(HEADER, Buffer.from('{"iss":"a","exp":1,"sub":"\xe9"}', "latin1")), "token:encoding"],
  ["a header that is no JSON", token("alg"), "token:json"],
  ["a header that is a list", token([]), "token:json"],
  ["a payload that is a text", token(HEADER, '"claims"'), "token:json"],
  ["duplicate header members", token('{"alg":"RS256","alg":"none"}'), "token:json"],
  ["duplicate claims", token(HEADER, '{"iss":"a","exp":2000000000,"sub":"u1","sub":"admin"}'), "token:json"],
  ["a BOM", token(HEADER, `\ufeff${JSON.stringify(CLAIMS)}`), "token:json"],
  ["crit", token({ ...HEADER, crit: [] }), "token:header"],
  ["b64", token({ ...HEADER, b64: true }), "token:header"],
  ["enc", token({ ...HEADER, enc: "A128GCM" }), "token:header"],
  ["zip", token({ ...HEADER, zip: "DEF" }), "token:header"],
  ["no alg", token({ kid: "k1" }), "token:header"],
  ["an alg that is a list", token({ alg: ["RS256"] }), "token:header"],
  ["an empty kid", token({ ...HEADER, kid: "" }), "token:kid"],
  ["a kid that is a number", token({ ...HEADER, kid: 1 }), "token:kid"],
  ["a kid that is null", token({ ...HEADER, kid: null }), "token:kid"],
  ["a kid with a line end", token({ ...HEADER, kid: "a\nb" }), "token:kid"],
  ["a kid of 257 characters", token({ ...HEADER, kid: "k".repeat(257) }), "token:kid"],
  ["a typ that is a number", token({ ...HEADER, typ: 1 }), "token:typ"],
  ["no issuer", token(HEADER, { exp: 2_000_000_000 }), "token:iss"],
  ["a list of issuers", token(HEADER, { ...CLAIMS, iss: ["a"] }), "token:iss"],
  ["no exp", token(HEADER, { iss: "a" }), "token:exp"],
  ["an exp that is a text", token(HEADER, { ...CLAIMS, exp: "2000000000" }), "token:exp"],
  ["an exp that is null", token(HEADER, { ...CLAIMS, exp: null }), "token:exp"],
  ["an infinite exp", token(HEADER, '{"iss":"a","exp":1e400}'), "token:exp"],
  ["a negative exp", token(HEADER, { ...CLAIMS, exp: -1 }), "token:exp"],
  ["an exp in milliseconds", token(HEADER, { ...CLAIMS, exp: 2_000_000_000_000 }), "token:exp"],
  ["an iat that is a text", token(HEADER, { ...CLAIMS, iat: "now" }), "token:iat"],
  ["an iat that is null", token(HEADER, { ...CLAIMS, iat: null }), "token:iat"],
  ["an nbf that is true", token(HEADER, { ...CLAIMS, nbf: true }), "token:nbf"],
])("%s is refused", (_what, text, rule) => {
  expect(ruleOf(text)).toBe(rule);
}); // biome-ignore format: one case a line

test("8192 characters are enough, one more is too much", () => {
  const sized = (length: number) =>
    `${token(HEADER, CLAIMS, "")}${"A".repeat(length - token(HEADER, CLAIMS, "").length)}`;
  const whole = [8_192, 8_191, 8_190, 8_189].find((length) => ruleOf(sized(length)) === "accepted");
  expect(whole).toBeGreaterThan(8_188);
  expect(ruleOf(sized(8_193))).toBe("token:length");
});

test("no character can be put in, left out or changed without it being another token or none", () => {
  const original = token();
  const read = readToken(original);
  const change = fc.record({
    at: fc.nat({ max: original.length }),
    cut: fc.nat({ max: 2 }),
    text: fc.string({ maxLength: 2 }),
  });
  fc.assert(
    fc.property(change, ({ at, cut, text }) => {
      const changed = original.slice(0, at) + text + original.slice(at + cut);
      if (changed === original || ruleOf(changed) !== "accepted") return;
      // Whatever is still readable decodes to other bytes: no two spellings of one token.
      const bytes = (all: string) => all.split(".").map((part) => Buffer.from(part, "base64url").toString("hex"));
      expect(bytes(changed)).not.toEqual(bytes(original));
      expect(read).not.toHaveProperty("code");
    }),
    { numRuns: 2_000 },
  );
});
