/**
 * The strict reader in front of jose: a token is three canonical base64url parts of strict JSON, of a bounded size,
 * with a header and time claims of the right types. Worker thread, pure; decides nothing about trust.
 * jose alone accepts missing `exp`, `exp: 1e400`, duplicate keys, padded base64 and tokens of a megabyte.
 */
import { isUtf8 } from "node:buffer";
import { type Refusal, refuse } from "#core/errors.ts";
import { parseStrictObject } from "./strict-json.ts";

/** Longest token read at all. */
const TOKEN_LENGTH_MAX = 8192;
const KID_LENGTH_MAX = 256;
/** Year 5138: beyond it a time stamp is a mistake. Seconds. */
const TIME_MAX_S = 100_000_000_000;

export interface ReadToken {
  readonly alg: string;
  readonly kid: string | null;
  readonly typ: string | null;
  readonly payload: Readonly<Record<string, unknown>>;
  readonly issuer: string;
  /** Seconds since 1970. */
  readonly expiresAt: number;
  readonly issuedAt: number | null;
  readonly notBefore: number | null;
}

/** Reads a compact JWS whose signature nobody has checked yet. */
export function readToken(token: string): ReadToken | Refusal {
  if (token.length > TOKEN_LENGTH_MAX)
    return invalid("token:length", `Token is longer than ${TOKEN_LENGTH_MAX} characters`);
  const parts = token.split(".", 6);
  if (parts.length === 5) return invalid("token:form", "Token is encrypted (JWE); a signed one (JWS) is needed");
  const [headerPart, payloadPart, signature] = parts;
  if (parts.length !== 3 || headerPart === undefined || payloadPart === undefined || signature === undefined) {
    return invalid("token:form", "Token is not three parts joined by dots");
  }
  const headerBytes = decodeCanonical(headerPart);
  const payloadBytes = decodeCanonical(payloadPart);
  if (headerBytes === null || payloadBytes === null || decodeCanonical(signature) === null) {
    return invalid("token:encoding", "Token is not canonical base64url");
  }
  // Replacement characters would make one account of two (RFC 8259 §8.1).
  if (!isUtf8(headerBytes) || !isUtf8(payloadBytes)) return invalid("token:encoding", "Token is not UTF-8");
  const header = parseStrictObject(headerBytes.toString("utf8"));
  const payload = parseStrictObject(payloadBytes.toString("utf8"));
  if (header === null || payload === null) return invalid("token:json", "Token is not JSON objects with unique keys");
  const checked = readHeader(header);
  return "code" in checked ? checked : readTimes(checked, payload);
}

/** The bytes, or null unless `text` is non-empty and exactly the encoding of its own decoding: no padding, no spare bits. */
function decodeCanonical(text: string): Buffer | null {
  if (text === "") return null;
  const bytes = Buffer.from(text, "base64url");
  return bytes.toString("base64url") === text ? bytes : null;
}

interface CheckedHeader {
  readonly alg: string;
  readonly kid: string | null;
  readonly typ: string | null;
}

/** RFC 7515 §4.1. `crit` is refused whole: no extension is understood. `jwk`, `jku`, `x5c`, `x5u` are never looked at. */
function readHeader(header: Readonly<Record<string, unknown>>): CheckedHeader | Refusal {
  for (const name of ["crit", "b64", "enc", "zip", "p2c"]) {
    if (Object.hasOwn(header, name)) return invalid("token:header", `Token header has the parameter ${name}`);
  }
  const { alg, kid, typ } = header;
  if (typeof alg !== "string") return invalid("token:header", "Token header has no alg");
  if (Object.hasOwn(header, "kid") && !isKid(kid)) return invalid("token:kid", "Token header has an unusable kid");
  if (Object.hasOwn(header, "typ") && typeof typ !== "string")
    return invalid("token:typ", "Token header has an unusable typ");
  return { alg, kid: isKid(kid) ? kid : null, typ: typeof typ === "string" ? typ : null };
}

function isKid(kid: unknown): kid is string {
  return typeof kid === "string" && kid.length > 0 && kid.length <= KID_LENGTH_MAX && /^[\x20-\x7e]+$/.test(kid);
}

function readTimes(header: CheckedHeader, payload: Readonly<Record<string, unknown>>): ReadToken | Refusal {
  const { iss, exp, iat, nbf } = payload;
  if (typeof iss !== "string") return invalid("token:iss", "Token has no iss");
  if (!isTime(exp)) return invalid("token:exp", "Token has no usable exp");
  if (Object.hasOwn(payload, "iat") && !isTime(iat)) return invalid("token:iat", "Token has an unusable iat");
  if (Object.hasOwn(payload, "nbf") && !isTime(nbf)) return invalid("token:nbf", "Token has an unusable nbf");
  return {
    ...header,
    payload,
    issuer: iss,
    expiresAt: exp,
    issuedAt: isTime(iat) ? iat : null,
    notBefore: isTime(nbf) ? nbf : null,
  };
}

function isTime(value: unknown): value is number {
  return typeof value === "number" && value >= 0 && value <= TIME_MAX_S;
}

function invalid(rule: string, detail: string): Refusal {
  return refuse("credentials_invalid", rule, detail);
}
