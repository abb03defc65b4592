/**
 * Answers to the workers' questions: who calls, and whose things are. Main thread.
 * An answer may be overtaken by a change; the worker then uses it once and forgets it (`data-plane/identity/directory.ts`).
 */
import type { Answer, Question } from "#shared/messages.ts";
import type { CreditGrant } from "#core/credits.ts";
import type { AccountRecord, KeyRecord, RateClears } from "#shared/principals.ts";
import type { UpstreamHeaders } from "#shared/upstream-headers.ts";
import type { AnchorSince } from "#control-plane/metering/counting.ts";
import type { Account } from "./account.ts";
import type { Accounts } from "./accounts.ts";
import type { Owner, ResourceName, Resources } from "#control-plane/resources/resources.ts";
import type { ApiKey } from "./api-key.ts";
import type { ForeignKeys } from "./foreign-keys.ts";
import type { ApiKeys } from "./api-keys.ts";
import type { FirstSight } from "#control-plane/users/first-sight.ts";

export interface AnswersParts {
  readonly accounts: Accounts;
  readonly keys: ApiKeys;
  readonly foreign: ForeignKeys;
  readonly firstSight: FirstSight;
  /** Seeds the account's counters, before anybody counts for it, and says by which anchor it is counted. */
  readonly anchorOf: (account: string) => Promise<AnchorSince>;
  /** Credits the account may burn. */
  readonly grants: (account: string) => Promise<readonly CreditGrant[]>;
  readonly upstreamHeaders: (account: string) => Promise<UpstreamHeaders | null>;
  /** null: none were cleared. */
  readonly rateClears: (account: string) => RateClears | null;
  readonly refreshKeys: (issuer: string) => Promise<void>;
  readonly resources: Resources;
}

export class Answers {
  readonly #parts: AnswersParts;

  constructor(parts: AnswersParts) {
    this.#parts = parts;
  }

  async answer(question: Question): Promise<Answer> {
    const { accounts, keys, refreshKeys, resources } = this.#parts;
    switch (question.kind) {
      case "key": {
        const key = await keys.byHash(question.hash);
        return { kind: "key", key: key === null ? null : keyRecord(key) };
      }
      case "foreign-key": {
        const key = await this.#parts.foreign.find(question.secret);
        return key === "busy" ? { kind: "busy" } : { kind: "key", key: key === null ? null : keyRecord(key) };
      }
      case "account":
        return { kind: "account", account: await this.#recordOrNull(await accounts.byId(question.id)) };
      case "token": {
        const { account, user } = await this.#parts.firstSight.ofToken(question.account, question.user);
        return { kind: "token", account: await this.#recordOrNull(account), user };
      }
      case "refresh-keys":
        await refreshKeys(question.issuer);
        return { kind: "refresh-keys" };
      case "resource":
        return { kind: "resource", resource: await resources.find(nameOf(question)) };
      case "learn":
        return { kind: "learn", learnt: await resources.learn(nameOf(question), ownerOf(question)) };
      case "forget":
        await resources.forget(nameOf(question), question.account);
        return { kind: "forget" };
    }
  }

  /** The anchor comes from who counts, not from the store: the account's epoch belongs to it. */
  async #recordOrNull(account: Account | null): Promise<AccountRecord | null> {
    if (account === null) return null;
    const { id, externalId, name, state, plan, spendCap } = account;
    const grants = await this.#parts.grants(id);
    const headers = await this.#parts.upstreamHeaders(id);
    const { anchorMs, epoch } = await this.#parts.anchorOf(id);
    const rateClears = this.#parts.rateClears(id);
    const record = { id, externalId, name, state, plan, spendCap, grants, anchorMs, epoch };
    return {
      ...record,
      ...(rateClears === null ? {} : { rateClears }),
      ...(headers === null ? {} : { upstreamHeaders: headers }),
    };
  }
}

function nameOf({ resource: kind, id }: { readonly resource: string; readonly id: string }): ResourceName {
  return { kind, id };
}

function ownerOf({ account, user }: Owner): Owner {
  return { account, user };
}

function keyRecord(key: ApiKey): KeyRecord {
  const { id, accountId, roles, scopes, expiresAtMs, revoked, enabled, retiresAtMs, narrowing, limits } = key;
  return { id, accountId, roles, scopes, expiresAtMs, revoked, enabled, retiresAtMs, narrowing, limits };
}
