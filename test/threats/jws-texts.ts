/** Tokens whose text is spoiled: parts, alphabets, JSON and claims. */
import { encodePart } from "#test/support/jwt.ts";
import type { Random } from "#test/support/random.ts";
import { encodedParts, partsOf, signAs } from "./jws.ts";
import { flipped, headerOf, type Mutation, part } from "./jws-mutations.ts";
import { claimsOf, type FamilyKey } from "./jws-verifier.ts";

export const TEXT_MUTATIONS: Readonly<Record<string, Mutation>> = {
  "payload bit flipped": part(1, (text, { random }) =>
    flipped(Buffer.from(text, "base64url"), random).toString("base64url"),
  ),
  "header bit flipped": part(0, (text, { random }) =>
    flipped(Buffer.from(text, "base64url"), random).toString("base64url"),
  ),
  "payload replaced": part(1, () => encodePart(claimsOf({ sub: "root" }))),
  "header in another order": part(0, (_, { key }) => encodePart({ typ: "JWT", kid: key.alg, alg: key.alg })),
  "header with a blank": part(0, (text) => encodePart(Buffer.from(text, "base64url").toString().replace("{", "{ "))),
  "header and payload swapped": ({ token }) => `${partsOf(token)[1]}.${partsOf(token)[0]}.${partsOf(token)[2]}`,
  "payload and signature swapped": ({ token }) => `${partsOf(token)[0]}.${partsOf(token)[2]}.${partsOf(token)[1]}`,
  "a part missing": ({ token }) => token.slice(0, token.lastIndexOf(".")),
  "a part more": ({ token }) => `${token}.${partsOf(token)[2]}`,
  "a dot more": ({ token }) => `${token}.`,
  "padded header": part(0, (text) => `${text}=`),
  "padded payload": part(1, (text) => `${text}=`),
  "padded signature": part(2, (text) => `${text}==`),
  "a line end": ({ token }) => `${token}\n`,
  "a blank before": ({ token }) => ` ${token}`,
  "a character outside the alphabet": part(2, (text, { random }) => insert(text, "*", random)),
  "a blank inside": part(1, (text, { random }) => insert(text, " ", random)),
  "a NUL inside": part(0, (text, { random }) => insert(text, "\0", random)),
  "standard alphabet": part(2, (text) => `${text.replaceAll("-", "+").replaceAll("_", "/")}+/`),
  "spare bits set": part(2, (text, { key }) => text.slice(0, -1) + spare(text.at(-1) ?? "", key)),
  "sub twice": ({ key }) =>
    signAs(key.alg, key.privateKey, headerOf(key), `${JSON.stringify(claimsOf()).slice(0, -1)},"sub":"root"}`),
  "alg twice": ({ key }) =>
    signAs(key.alg, key.privateKey, `{"alg":"none",${JSON.stringify(headerOf(key)).slice(1)}`, claimsOf()),
  "payload is a list": ({ key }) => signAs(key.alg, key.privateKey, headerOf(key), [claimsOf()]),
  "payload is text": ({ key }) => signAs(key.alg, key.privateKey, headerOf(key), '"text"'),
  "payload is no JSON": ({ key }) => signAs(key.alg, key.privateKey, headerOf(key), `${JSON.stringify(claimsOf())}x`),
  "header is null": ({ key }) => signAs(key.alg, key.privateKey, "null", claimsOf()),
  crit: ({ key }) => signAs(key.alg, key.privateKey, headerOf(key, { crit: ["exp"], exp: 1 }), claimsOf()),
  "b64 false": ({ key }) => signAs(key.alg, key.privateKey, headerOf(key, { b64: false, crit: ["b64"] }), claimsOf()),
  "flattened JSON": ({ token }) =>
    JSON.stringify({ protected: partsOf(token)[0], payload: partsOf(token)[1], signature: partsOf(token)[2] }),
  expired: ({ key }) => signAs(key.alg, key.privateKey, headerOf(key), claimsOf({ exp: 1 })),
  "for another audience": ({ key }) => signAs(key.alg, key.privateKey, headerOf(key), claimsOf({ aud: "apis" })),
  "nothing signed": ({ key }) => encodedParts(headerOf(key), claimsOf(), "AA"),
};

function insert(text: string, character: string, random: Random): string {
  const at = random.between(1, text.length - 1);
  return text.slice(0, at) + character + text.slice(at);
}

/** The last letter with its unused bits set: two for 64 bytes, four for 256. */
function spare(letter: string, key: FamilyKey): string {
  const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  const bits = signatureLength(key) % 3 === 1 ? 4 : 2;
  return alphabet[alphabet.indexOf(letter) | (2 ** bits - 1)] ?? "_";
}

function signatureLength(key: FamilyKey): number {
  return key.alg === "RS256" || key.alg === "PS256" ? 256 : 64;
}
