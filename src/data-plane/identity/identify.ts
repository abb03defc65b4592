/**
 * Phase 3, identify: from a request's credential to a principal. Worker thread.
 * Synchronous for a caller seen before; the first sight asks the control plane. A failure to ask is 503, never a guess.
 */
import { wallMs } from "#core/clock.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Settings } from "#config/settings.ts";
import { keyEndMs, keyFault } from "#shared/key-state.ts";
import type { AccountRecord, UserRecord } from "#shared/principals.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { emptyMemo, type HeadMemo } from "#data-plane/head-memo.ts";
import type { Runtime } from "#data-plane/runtime.ts";
import { type Credential, readCredential, textRefusal } from "./credentials.ts";
import type { RequestHead } from "#data-plane/wire/head.ts";
import { askedAccount, isOwn, mayAsk, memberAccount, NOT_OURS } from "./account-header.ts";
import type { Directory, FoundKey, TokenOwner } from "./directory.ts";
import { accountOfToken, type Principal, principalOfKey, principalOfToken } from "./principal.ts";
import { accountOfOwner, userOfToken } from "./token-user.ts";
import type { TokenVerifier, VerifiedToken } from "./token-verifier.ts";

/** Keyed by record or token, account and user, so that a change of any, or of the settings, makes a new principal. */
type PrincipalCache = WeakMap<
  object,
  {
    readonly account: AccountRecord;
    readonly user: UserRecord | null;
    readonly runtime: Runtime;
    readonly principal: Principal;
  }
>;

/** More imported keys are compared than there is room for. */
const BUSY: Refusal = {
  code: "overloaded",
  rule: "key:import",
  detail: "Too many keys are looked for just now",
  fields: { retry_after: 1 },
  headers: ["Retry-After", "1"],
};

/** What one lookup is made for. */
interface Look {
  readonly runtime: Runtime;
  readonly memo: HeadMemo;
  /** Value of the account header; null: there is none. */
  readonly asked: string | null;
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
    head: RequestHead,
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
    const asked = askedAccount(head, runtime);
    if (typeof asked === "object" && asked !== null) return asked;
    const { caller } = head.memo;
    const isKnown = caller?.runtime === runtime && caller.generation === this.#generation && caller.asked === asked;
    if (isKnown && wallMs() < caller.untilMs) return caller.principal;
    const look: Look = { runtime, memo: head.memo, asked, generation: this.#generation };
    return credential.kind === "key" ? this.#byKey(credential, look) : this.#byToken(credential, look);
  }

  /**
   * Looks anew at one who was let in: at their key, user and account as they are now. A token counts as it did, for it proved once who
   * they are: what it says is over soon, by design.
   */
  again({ head, principal, runtime }: Passage): Principal | Refusal | null | Promise<Principal | Refusal> {
    if (principal === null) return null;
    const asked = askedAccount(head, runtime);
    if (typeof asked === "object" && asked !== null) return asked;
    // Nothing of it is remembered: the next request has to prove who sent it.
    const look: Look = { runtime, memo: emptyMemo(), asked, generation: this.#generation };
    if (principal.token !== null) return this.#withToken(principal.token, look);
    const credential = readCredential(head, "", runtime.keys);
    if (credential === null || "code" in credential) return credential;
    return this.#byKey(credential, look);
  }

  /** Whether nobody has changed since this one was let in. */
  isUnchanged({ head: { memo }, principal }: Passage): boolean {
    return memo.caller?.principal === principal && memo.caller?.generation === this.#generation;
  }

  /** Of all that principals come from. */
  get #generation(): number {
    return this.#directory.generation + this.#verifier.generation;
  }

  #byKey(credential: Credential, look: Look): Principal | Refusal | Promise<Principal | Refusal> {
    const fault = textRefusal(credential);
    if (fault !== null) return fault;
    return after(this.#directory.key(credential.text, credential.digest, credential.foreign), (key) =>
      this.#withKey(key, look),
    );
  }

  #withKey(key: FoundKey, look: Look): Principal | Refusal | Promise<Principal | Refusal> {
    if (key === null) return refuse("credentials_invalid", "key:unknown", "API key is not known");
    if (key === "busy") return BUSY;
    const fault = keyFault(key, wallMs());
    if (fault !== null) return fault;
    return after(this.#directory.account(key.accountId), (account) => {
      if (account === null) return refuse("credentials_invalid", "key:account", "API key belongs to no account");
      if (account.state === "deleted") return refuse("key_revoked", "account:deleted", "Account has been deleted");
      if (!isOwn(account, look.asked)) return NOT_OURS;
      return this.#principal(key, account, null, keyEndMs(key), look, (settings) =>
        principalOfKey(key, account, settings),
      );
    });
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
    return after(this.#directory.ofToken(externalId, userOfToken(token)), (owner) =>
      owner.account === null || isOwn(owner.account, look.asked)
        ? this.#ofOwner(token, owner, look)
        : this.#ofAsked(token, owner.user, look),
    );
  }

  /** By the account header: another account that the token's user is a member of. */
  #ofAsked(
    token: VerifiedToken,
    user: UserRecord | null,
    look: Look,
  ): Principal | Refusal | Promise<Principal | Refusal> {
    const id = mayAsk(token) ? memberAccount(user, look.asked) : null;
    if (id === null) return NOT_OURS;
    return after(this.#directory.account(id), (account) => this.#ofOwner(token, { account, user }, look));
  }

  #ofOwner(token: VerifiedToken, owner: TokenOwner, look: Look): Principal | Refusal {
    const account = accountOfOwner(token, owner);
    if ("code" in account) return account;
    const { user } = owner;
    return this.#principal(token, account, user, token.validUntil * 1000, look, (settings) =>
      principalOfToken(token, account, user, settings),
    );
  }

  #principal(
    source: object,
    account: AccountRecord,
    user: UserRecord | null,
    untilMs: number,
    { runtime, memo, asked, generation }: Look,
    make: (settings: Settings) => Principal,
  ): Principal {
    const known = this.#principals.get(source);
    const isSame = known?.account === account && known.user === user && known.runtime === runtime;
    const principal = isSame ? known.principal : make(runtime.settings);
    if (!isSame) this.#principals.set(source, { account, user, runtime, principal });
    // What has changed since the look began is not remembered.
    memo.caller = { runtime, generation, asked, untilMs, principal, allowed: null };
    return principal;
  }
}

/** `next(value)`, at once when the value is there already: the common case makes no promise. */
function after<T, R>(value: T | Promise<T>, next: (value: T) => R | Promise<R>): R | Promise<R> {
  return value instanceof Promise ? value.then(next) : next(value);
}
