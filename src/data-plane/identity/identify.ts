/**
 * Phase 3, identify: from a request's credential to a principal. Worker thread.
 * Synchronous for a caller seen before; the first sight asks the control plane. A failure to ask is 503, never a guess.
 */
import { wallMs } from "#core/clock.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Settings } from "#config/settings.ts";
import { keyEndMs, keyFault } from "#shared/key-state.ts";
import type { AccountRecord, KeyRecord } from "#shared/principals.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import type { HeadMemo } from "#data-plane/head-memo.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import type { Credential } from "./credentials.ts";
import type { Directory } from "./directory.ts";
import { accountOfToken, type Principal, principalOfKey, principalOfToken } from "./principal.ts";
import type { TokenVerifier, VerifiedToken } from "./token-verifier.ts";

/** Keyed by record or token and by account, so that a change of either, or of the settings, makes a new principal. */
type PrincipalCache = WeakMap<
  object,
  { readonly account: AccountRecord; readonly runtime: Runtime; readonly principal: Principal }
>;

/** What one lookup is made for. */
interface Look {
  readonly runtime: Runtime;
  readonly memo: HeadMemo;
  /** When it began. */
  readonly generation: number;
}

export class Identifier {
  readonly #directory: Directory;
  readonly #verifier: TokenVerifier;
  readonly #principals: PrincipalCache = new WeakMap();

  constructor(directory: Directory, verifier: TokenVerifier) {
    this.#directory = directory;
    this.#verifier = verifier;
  }

  /** null: nobody, on a route that allows it. */
  identify(
    credential: Credential | null,
    route: CompiledRoute,
    runtime: Runtime,
    memo: HeadMemo,
  ): Principal | Refusal | null | Promise<Principal | Refusal> {
    if (credential === null) {
      return route.auth === "optional"
        ? null
        : refuse("credentials_missing", `route:${route.name}`, "No token and no API key");
    }
    const accepted = credential.kind === "key" ? route.acceptsKey : route.acceptsJwt;
    if (!accepted)
      return refuse(
        "credentials_invalid",
        `route:${route.name}`,
        `This route takes no ${credential.kind === "key" ? "API keys" : "tokens"}`,
      );
    const { caller } = memo;
    if (caller?.runtime === runtime && caller.generation === this.#generation && wallMs() < caller.untilMs)
      return caller.principal;
    const look: Look = { runtime, memo, generation: this.#generation };
    return credential.kind === "key" ? this.#byKey(credential, look) : this.#byToken(credential, look);
  }

  /** Of all that principals come from. */
  get #generation(): number {
    return this.#directory.generation + this.#verifier.generation;
  }

  #byKey(credential: Credential, look: Look): Principal | Refusal | Promise<Principal | Refusal> {
    if (!credential.wellFormed)
      return refuse("credentials_invalid", "key:format", "Text is no API key of this gateway");
    return after(this.#directory.key(credential.text, credential.digest), (key) => this.#withKey(key, look));
  }

  #withKey(key: KeyRecord | null, look: Look): Principal | Refusal | Promise<Principal | Refusal> {
    if (key === null) return refuse("credentials_invalid", "key:unknown", "API key is not known");
    const fault = keyFault(key, wallMs());
    if (fault !== null) return fault;
    return after(this.#directory.account(key.accountId), (account) =>
      account === null
        ? refuse("credentials_invalid", "key:account", "API key belongs to no account")
        : this.#principal(key, account, keyEndMs(key), look, principalOfKey),
    );
  }

  #byToken(credential: Credential, look: Look): Principal | Refusal | Promise<Principal | Refusal> {
    return after(this.#verifier.verify(credential.text, credential.digest), (token) =>
      "code" in token ? token : this.#withToken(token, look),
    );
  }

  #withToken(token: VerifiedToken, look: Look): Principal | Refusal | Promise<Principal | Refusal> {
    const externalId = accountOfToken(token);
    if (externalId === null) {
      const claim = token.issuer.claims.account ?? token.issuer.claims.user;
      return refuse("credentials_invalid", `token:${claim}`, `Token has no usable ${claim}`);
    }
    return after(this.#directory.externalAccount(externalId), (account) =>
      account === null
        ? refuse("credentials_invalid", "token:account", "Token belongs to no account")
        : this.#principal(token, account, token.validUntil * 1000, look, principalOfToken),
    );
  }

  #principal<S extends object>(
    source: S,
    account: AccountRecord,
    untilMs: number,
    { runtime, memo, generation }: Look,
    make: (source: S, account: AccountRecord, settings: Settings) => Principal,
  ): Principal {
    const known = this.#principals.get(source);
    const isSame = known !== undefined && known.account === account && known.runtime === runtime;
    const principal = isSame ? known.principal : make(source, account, runtime.settings);
    if (!isSame) this.#principals.set(source, { account, runtime, principal });
    // What has changed since the look began is not remembered.
    memo.caller = { runtime, generation, untilMs, principal, allowed: null };
    return principal;
  }
}

/** `next(value)`, at once when the value is there already: the common case makes no promise. */
function after<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
