/**
 * What this worker remembers of keys, accounts and users. Worker thread. Filled at first sight, emptied by push; nothing expires by
 * itself. Found and not found are kept apart, so that a flood of wrong keys evicts no right one.
 */
import { boundedCache } from "#data-plane/bounded-cache.ts";
import { keyHash } from "#core/key-hash.ts";
import type { Answer, Invalidation, ResourceChange } from "#shared/messages.ts";
import type { AccountRecord, KeyRecord, TokenUser, UserRecord } from "#shared/principals.ts";
import type { ControlLink } from "./control-link.ts";

const KEYS_MAX = 200_000;
const UNKNOWN_KEYS_MAX = 10_000;
const ACCOUNTS_MAX = 100_000;
const USERS_MAX = 100_000;

/** Whom a token names. `account` null: there is none, and can be none; `user` null: it names none. */
export interface TokenOwner {
  readonly account: AccountRecord | null;
  readonly user: UserRecord | null;
}

/** null: there is none; `busy`: it cannot be said just now. */
export type FoundKey = KeyRecord | "busy" | null;

export class Directory {
  readonly #link: ControlLink;
  readonly #pepper: Uint8Array;
  /** By the digest of the secret (`credentials.ts`). */
  readonly #keys = boundedCache<KeyRecord>(KEYS_MAX, (key, digest) => this.#dropDigest(key.id, digest));
  /** Of the secrets that are remembered of a key, by its id: after a rotation it has several for a while. */
  readonly #digests = new Map<string, readonly string[]>();
  readonly #unknownKeys = boundedCache<true>(UNKNOWN_KEYS_MAX);
  readonly #accounts = boundedCache<AccountRecord>(ACCOUNTS_MAX);
  readonly #idsByExternalId = boundedCache<string>(ACCOUNTS_MAX);
  /** By external id. */
  readonly #users = boundedCache<UserRecord>(USERS_MAX);
  /** Counts invalidations: an answer asked for before one is used once but not remembered. */
  #changes = 0;

  constructor(link: ControlLink, pepper: Uint8Array) {
    this.#link = link;
    this.#pepper = pepper;
  }

  /** Goes up with every change of what is remembered. */
  get generation(): number {
    return this.#changes;
  }

  /** The record of a well-formed key, null when there is none. Synchronous when remembered. */
  key(text: string, digest: string, foreign = false): FoundKey | Promise<FoundKey> {
    const known = this.#keys.get(digest);
    if (known !== undefined) return known;
    return this.#unknownKeys.get(digest) === true ? null : this.#askKey(text, digest, foreign);
  }

  async #askKey(secret: string, digest: string, foreign: boolean): Promise<FoundKey> {
    const before = this.#changes;
    let answer = await this.#link.ask({ kind: "key", hash: keyHash(secret, this.#pepper) });
    if (foreign && answer.kind === "key" && answer.key === null)
      answer = await this.#link.ask({ kind: "foreign-key", secret });
    if (answer.kind === "busy") return "busy";
    const key = answer.kind === "key" ? answer.key : null;
    if (before === this.#changes) this.#rememberKey(digest, key);
    return key;
  }

  #rememberKey(digest: string, key: KeyRecord | null): void {
    if (key === null) {
      this.#unknownKeys.set(digest, true);
      return;
    }
    this.#keys.set(digest, key);
    this.#digests.set(key.id, [...(this.#digests.get(key.id) ?? []), digest]);
  }

  #dropDigest(id: string, digest: string): void {
    const others = this.#digests.get(id)?.filter((other) => other !== digest) ?? [];
    if (others.length === 0) this.#digests.delete(id);
    else this.#digests.set(id, others);
  }

  account(id: string): AccountRecord | null | Promise<AccountRecord | null> {
    return this.#accounts.get(id) ?? this.#askAccount(id);
  }

  /** Whom a token names: the account by the id of the operator's own, and the user. Made by the control plane where they are new. */
  ofToken(externalId: string, named: TokenUser | null): TokenOwner | Promise<TokenOwner> {
    const id = this.#idsByExternalId.get(externalId);
    const account = id === undefined ? undefined : this.#accounts.get(id);
    const user = named === null ? null : this.#users.get(named.externalId);
    if (account === undefined) return this.#askToken(externalId, named);
    // No user is made for it, and none is let in.
    if (account.state === "deleted") return { account, user: user ?? null };
    return user === undefined || isNewIn(account, user) ? this.#askToken(externalId, named) : { account, user };
  }

  async #askToken(account: string, user: TokenUser | null): Promise<TokenOwner> {
    const before = this.#changes;
    const answer = await this.#link.ask({ kind: "token", account, user });
    if (answer.kind !== "token") throw new Error("An answer is none to its question");
    if (before === this.#changes) this.#rememberOwner(answer);
    return answer;
  }

  #rememberOwner({ account, user }: TokenOwner): void {
    if (account !== null) this.#rememberAccount(account);
    if (user === null) return;
    this.#users.set(user.externalId, user);
  }

  async #askAccount(id: string): Promise<AccountRecord | null> {
    const before = this.#changes;
    const answer: Answer = await this.#link.ask({ kind: "account", id });
    const account = answer.kind === "account" ? answer.account : null;
    if (account !== null && before === this.#changes) this.#rememberAccount(account);
    return account;
  }

  #rememberAccount(account: AccountRecord): void {
    this.#accounts.set(account.id, account);
    if (account.externalId !== null) this.#idsByExternalId.set(account.externalId, account.id);
  }

  /** Takes effect for the next request. A key made after it was asked for in vain is found again. */
  invalidate(what: Exclude<Invalidation, ResourceChange>): void {
    this.#changes++;
    this.#link.forgetUnderWay();
    switch (what.kind) {
      case "key":
        this.#forgetKey(what.id);
        this.#unknownKeys.clear();
        break;
      case "account":
        this.#accounts.delete(what.id);
        if (what.externalId !== null) this.#idsByExternalId.delete(what.externalId);
        break;
      case "user":
        this.#users.delete(what.externalId);
        break;
      case "batch":
        for (const id of what.keys) this.#forgetKey(id);
        // An external id leads to a record that is not there any more, and so to a question.
        for (const id of what.accounts) this.#accounts.delete(id);
        for (const externalId of what.users ?? []) this.#users.delete(externalId);
    }
  }

  #forgetKey(id: string): void {
    for (const digest of this.#digests.get(id) ?? []) this.#keys.delete(digest);
  }
}

/** Whether the user has not been seen in the account before, and so becomes a member of it. */
function isNewIn({ id }: AccountRecord, user: UserRecord | null): boolean {
  return user !== null && user.state === "active" && !Object.hasOwn(user.members, id);
}
