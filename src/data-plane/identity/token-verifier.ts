/**
 * Verified tokens, remembered until they expire. Worker thread.
 * A token is known by the hash of all its characters; a reload or a new key set forgets everything it could have proved.
 */
import { boundedCache } from "#data-plane/bounded-cache.ts";
import { wallMs } from "#core/clock.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { IssuerSettings } from "#config/identity-settings.ts";
import type { KeySets, PublicKey } from "#shared/principals.ts";
import type { Claims } from "./claims.ts";
import { Issuer } from "./issuers.ts";
import { type ReadToken, readToken } from "./token-reader.ts";
import { sessionOf } from "./token-user.ts";

const VERIFIED_MAX = 50_000;

/** A token whose signature and claims held. */
export interface VerifiedToken {
  readonly issuer: IssuerSettings;
  /** As `presetClaims` reads them. */
  readonly payload: Claims;
  /** `iat`, seconds since 1970; null: it does not say. */
  readonly issuedAt: number | null;
  /** `sessionOf` it. */
  readonly session: string;
  /** Seconds since 1970, leeway included: from then on it is refused. */
  readonly validUntil: number;
}

export class TokenVerifier {
  readonly #verified = boundedCache<VerifiedToken>(VERIFIED_MAX);
  readonly #refresh: (issuer: string) => Promise<void>;
  #issuers = new Map<string, Issuer>();
  #keySets: KeySets;
  /** Counts changes of issuers or keys, so that a check begun before one does not outlive it. */
  #generation = 0;

  /** `refresh` asks the control plane to fetch an issuer's key set anew and resolves when that is over. */
  constructor(issuers: readonly IssuerSettings[], keySets: KeySets, refresh: (issuer: string) => Promise<void>) {
    this.#refresh = refresh;
    this.#keySets = keySets;
    this.replaceIssuers(issuers);
  }

  replaceIssuers(issuers: readonly IssuerSettings[]): void {
    this.#issuers = new Map(
      issuers.map((settings) => [settings.issuer, new Issuer(settings, this.#keySets[settings.name] ?? [])]),
    );
    this.#forget();
  }

  replaceKeySet(issuer: string, keys: readonly PublicKey[]): void {
    this.#keySets = { ...this.#keySets, [issuer]: keys };
    this.replaceIssuers([...this.#issuers.values()].map(({ settings }) => settings));
  }

  #forget(): void {
    this.#generation++;
    this.#verified.clear();
  }

  /** Goes up with every change of what tokens are checked by. */
  get generation(): number {
    return this.#generation;
  }

  /** Synchronous for a token seen before; `id` is its digest (`credentials.ts`). */
  verify(token: string, id: string): VerifiedToken | Refusal | Promise<VerifiedToken | Refusal> {
    const known = this.#verified.get(id);
    if (known === undefined) return this.#verifyNew(token, id);
    if (wallMs() / 1000 < known.validUntil) return known;
    return refuse("token_expired", "token:exp", "Token has expired");
  }

  async #verifyNew(token: string, id: string): Promise<VerifiedToken | Refusal> {
    const read = readToken(token);
    if ("code" in read) return read;
    const trusted = this.#issuers.get(read.issuer);
    if (trusted === undefined)
      return refuse("credentials_invalid", "token:iss", "Token comes from an issuer that is not trusted");
    if (!trusted.knows(read.kid)) await this.#refresh(trusted.settings.name);
    const checked = await this.#check(token, id, read, trusted);
    if (read.kid !== null || !("rule" in checked) || checked.rule !== "token:signature") return checked;
    // Without a name, a token of a new key looks like one with a bad signature.
    await this.#refresh(trusted.settings.name);
    return this.#check(token, id, read, trusted);
  }

  /** By the issuer as it is now: its keys may have been replaced since `trusted` was looked up. */
  async #check(token: string, id: string, read: ReadToken, trusted: Issuer): Promise<VerifiedToken | Refusal> {
    const generation = this.#generation;
    const issuer = this.#issuers.get(read.issuer) ?? trusted;
    const checked = await issuer.check(token, read);
    if ("code" in checked) return checked;
    const { settings } = issuer;
    const verified = {
      issuer: settings,
      payload: checked.claims,
      issuedAt: read.issuedAt,
      session: sessionOf(checked.claims, token),
      validUntil: read.expiresAt + settings.clockSkewMs / 1000,
    };
    if (generation === this.#generation) this.#verified.set(id, verified);
    return verified;
  }
}
