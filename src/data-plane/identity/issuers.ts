/**
 * The trusted issuers with their keys, and the check of one token's signature and claims. Worker thread.
 * Which algorithm may verify comes from the configuration and the key, never from the token alone.
 * Not here: fetching key sets (control plane) and remembering verified tokens (`token-verifier.ts`).
 */
import { type CryptoKey, errors, importJWK, jwtVerify } from "jose";
import type { IssuerSettings } from "#config/identity-settings.ts";
import { wallMs } from "#core/clock.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { PublicKey } from "#shared/principals.ts";
import { claimAt, type Claims, listClaim } from "./claims.ts";
import { foreignClaim, presetClaims } from "./preset-claims.ts";
import type { ReadToken } from "./token-reader.ts";

/** Keys tried for one token: more with the same kid and algorithm is a broken key set. */
const CANDIDATES_MAX = 4;
/** How far `iat` may lie ahead when the issuer's clock runs fast. Seconds. */
const ISSUED_AHEAD_MAX_S = 60;

export class Issuer {
  readonly settings: IssuerSettings;
  readonly #keys: readonly PublicKey[];
  readonly #imported = new Map<string, Promise<CryptoKey | Uint8Array>>();

  constructor(settings: IssuerSettings, keys: readonly PublicKey[]) {
    this.settings = settings;
    this.#keys = keys;
  }

  /** Whether the key set has a key of this name; a token without a name is tried against all. */
  knows(kid: string | null): boolean {
    return kid === null || this.#keys.some((key) => key.kid === kid);
  }

  /** The claims, when they and the signature hold, else why not. */
  async check(token: string, read: ReadToken): Promise<CheckedToken | Refusal> {
    if (!this.settings.algorithms.includes(read.alg))
      return invalid("token:alg", "Token is signed with an algorithm this issuer may not use");
    // A token that does not say what it is counts as the general kind: RFC 9068 §4 wants `at+jwt` said where only that is taken.
    if (!this.#acceptsType(read.typ ?? "JWT"))
      return invalid("token:typ", "Token is of a type this issuer may not use");
    const candidates = this.#keys.filter(
      (key) => (read.kid === null || key.kid === read.kid) && key.algorithms.includes(read.alg),
    );
    if (candidates.length === 0) return invalid("token:kid", "Token names a key the issuer does not have");
    let refusal: Refusal | null = null;
    for (const key of candidates.slice(0, CANDIDATES_MAX)) {
      refusal = await this.#verify(token, read, key);
      if (refusal?.rule !== "token:signature") break;
    }
    if (refusal !== null) return refusal;
    const claims = presetClaims(this.settings.preset, read.payload);
    return this.#checkTimes(read) ?? this.#checkClaims(claims) ?? { claims };
  }

  #acceptsType(typ: string): boolean {
    const bare = typ.toLowerCase().replace(/^application\//, "");
    return this.settings.types.some((type) => type.toLowerCase() === bare);
  }

  async #verify(token: string, read: ReadToken, key: PublicKey): Promise<Refusal | null> {
    if (!hasFullSignature(token, key)) return invalid("token:signature", "Token signature does not verify");
    try {
      await jwtVerify(token, await this.#import(key, read.alg), {
        algorithms: [read.alg],
        issuer: this.settings.issuer,
        ...this.#audience,
        clockTolerance: this.settings.clockSkewMs / 1000,
        currentDate: new Date(wallMs()),
      });
      return null;
    } catch (error) {
      return refusalOf(error);
    }
  }

  /** Cognito's two kinds of tokens have different audiences: `foreignClaim` looks. */
  get #audience(): { readonly audience?: string[] } {
    const { audiences, preset } = this.settings;
    return audiences.length === 0 || preset === "cognito" ? {} : { audience: [...audiences] };
  }

  #import(key: PublicKey, alg: string): Promise<CryptoKey | Uint8Array> {
    // By algorithm too: a key imported for one does not verify another.
    const id = `${this.#keys.indexOf(key)} ${alg}`;
    const known = this.#imported.get(id);
    if (known !== undefined) return known;
    const imported = importJWK({ ...key.jwk }, alg);
    this.#imported.set(id, imported);
    return imported;
  }

  /** What jose leaves open: a future `iat`, a lifetime beyond the limit. */
  #checkTimes(read: ReadToken): Refusal | null {
    const skewS = Math.max(this.settings.clockSkewMs / 1000, ISSUED_AHEAD_MAX_S);
    if (read.issuedAt !== null && read.issuedAt > wallMs() / 1000 + skewS)
      return invalid("token:iat", "Token was issued in the future");
    const { maxLifetimeMs } = this.settings;
    if (maxLifetimeMs !== null && (read.issuedAt === null || (read.expiresAt - read.issuedAt) * 1000 > maxLifetimeMs)) {
      return invalid("token:lifetime", "Token lives longer than this issuer may let it");
    }
    return null;
  }

  /** Whom it is for, what it may, and claims that must be there. */
  #checkClaims(claims: Claims): Refusal | null {
    const { required, scopes } = this.settings;
    const wrong = foreignClaim(this.settings, claims);
    if (wrong !== null) return invalid(`token:${wrong}`, unacceptable(wrong, claims));
    const missing = required.find((claim) => claimAt(claims, claim) === undefined);
    if (missing !== undefined) return invalid(`token:${missing}`, `Token has no ${missing}`);
    const path = this.settings.claims.scopes;
    const held = listClaim(claims, path);
    const lacking = scopes.find((scope) => !held.includes(scope));
    return lacking === undefined ? null : invalid(`token:${path ?? "scope"}`, `Token lacks the scope ${lacking}`);
  }
}

/** A token whose signature and claims held. */
export interface CheckedToken {
  /** As `presetClaims` reads them. */
  readonly claims: Claims;
}

function unacceptable(claim: string, claims: Claims): string {
  return Object.hasOwn(claims, claim) ? `Token claim ${claim} is not acceptable` : `Token has no ${claim}`;
}

/** RFC 8017 §8.1.2 step 1, which OpenSSL leaves out for PSS: without it a signature passes with its leading zero cut off. */
function hasFullSignature(token: string, { jwk }: PublicKey): boolean {
  if (jwk.kty !== "RSA" || typeof jwk.n !== "string") return true;
  const modulus = Buffer.from(jwk.n, "base64url");
  const modulusBytes = modulus.length - modulus.findIndex((byte) => byte !== 0);
  return Buffer.byteLength(token.slice(token.lastIndexOf(".") + 1), "base64url") === modulusBytes;
}

function refusalOf(error: unknown): Refusal {
  if (error instanceof errors.JWTExpired) return refuse("token_expired", "token:exp", "Token has expired");
  if (error instanceof errors.JWTClaimValidationFailed)
    return invalid(`token:${error.claim}`, `Token claim ${error.claim} is not acceptable`);
  return invalid("token:signature", "Token signature does not verify");
}

function invalid(rule: string, detail: string): Refusal {
  return refuse("credentials_invalid", rule, detail);
}
