/**
 * Answers to the workers' questions about callers. Main thread.
 * An answer may be overtaken by a change; the worker then uses it once and forgets it (`data-plane/identity/directory.ts`).
 */
import type { Answer, Question } from "#shared/messages.ts";
import type { AccountRecord, KeyRecord } from "#shared/principals.ts";
import type { Account, Accounts } from "./accounts.ts";
import type { ApiKey, ApiKeys } from "./api-keys.ts";

export class Answers {
  readonly #accounts: Accounts;
  readonly #keys: ApiKeys;
  readonly #refreshKeys: (issuer: string) => Promise<void>;

  constructor(accounts: Accounts, keys: ApiKeys, refreshKeys: (issuer: string) => Promise<void>) {
    this.#accounts = accounts;
    this.#keys = keys;
    this.#refreshKeys = refreshKeys;
  }

  async answer(question: Question): Promise<Answer> {
    switch (question.kind) {
      case "key": {
        const key = await this.#keys.byHash(question.hash);
        return { kind: "key", key: key === null ? null : keyRecord(key) };
      }
      case "account": {
        return { kind: "account", account: recordOrNull(await this.#accounts.byId(question.id)) };
      }
      case "external-account":
        return { kind: "account", account: recordOrNull(await this.#accounts.getOrCreate(question.externalId)) };
      case "refresh-keys":
        await this.#refreshKeys(question.issuer);
        return { kind: "refresh-keys" };
    }
  }
}

function keyRecord({ id, accountId, roles, scopes, expiresAtMs, revoked }: ApiKey): KeyRecord {
  return { id, accountId, roles, scopes, expiresAtMs, revoked };
}

function recordOrNull(account: Account | null): AccountRecord | null {
  return account === null ? null : accountRecord(account);
}

function accountRecord({ id, externalId, name, state, plan }: Account): AccountRecord {
  return { id, externalId, name, state, plan };
}
