/**
 * What this worker remembers of keys and accounts. Worker thread. Filled at first sight, emptied by push; nothing expires by
 * itself. Found and not found are kept apart, so that a flood of wrong keys evicts no right one.
 */
import { boundedCache } from "#data-plane/bounded-cache.ts";
import { keyHash } from "#core/key-hash.ts";
import type { Answer, Invalidation } from "#shared/messages.ts";
import type { AccountRecord, KeyRecord } from "#shared/principals.ts";
import type { ControlLink } from "./control-link.ts";

const KEYS_MAX = 200_000;
const UNKNOWN_KEYS_MAX = 10_000;
const ACCOUNTS_MAX = 100_000;

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
  key(secret: string, digest: string): KeyRecord | null | Promise<KeyRecord | null> {
    const known = this.#keys.get(digest);
    if (known !== undefined) return known;
    return this.#unknownKeys.get(digest) === true ? null : this.#askKey(secret, digest);
  }

  async #askKey(secret: string, digest: string): Promise<KeyRecord | null> {
    const before = this.#changes;
    const answer = await this.#link.ask({ kind: "key", hash: keyHash(secret, this.#pepper) });
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
    return this.#accounts.get(id) ?? this.#askAccount({ kind: "account", id });
  }

  /** The account with this id of the operator's own; made by the control plane when it is new. */
  externalAccount(externalId: string): AccountRecord | null | Promise<AccountRecord | null> {
    const id = this.#idsByExternalId.get(externalId);
    const known = id === undefined ? undefined : this.#accounts.get(id);
    return known ?? this.#askAccount({ kind: "external-account", externalId });
  }

  async #askAccount(question: Parameters<ControlLink["ask"]>[0]): Promise<AccountRecord | null> {
    const before = this.#changes;
    const answer: Answer = await this.#link.ask(question);
    const account = answer.kind === "account" ? answer.account : null;
    if (account !== null && before === this.#changes) {
      this.#accounts.set(account.id, account);
      if (account.externalId !== null) this.#idsByExternalId.set(account.externalId, account.id);
    }
    return account;
  }

  /** Takes effect for the next request. A key made after it was asked for in vain is found again. */
  invalidate(what: Invalidation): void {
    this.#changes++;
    this.#link.forgetUnderWay();
    if (what.kind === "key") {
      for (const digest of this.#digests.get(what.id) ?? []) this.#keys.delete(digest);
      this.#unknownKeys.clear();
    } else {
      this.#accounts.delete(what.id);
      if (what.externalId !== null) this.#idsByExternalId.delete(what.externalId);
    }
  }
}
