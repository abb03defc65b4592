/** The limits of who calls themselves, beside those of the account. Main thread. */
import type { QuotaSettings } from "#config/settings.ts";
import { shapesOf } from "#shared/counter-shapes.ts";
import { ownQuotas } from "#shared/own-limits.ts";
import type { HolderLimits } from "#shared/principals.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { Services } from "./services.ts";

interface Whose {
  readonly account: Pick<Account, "id">;
  readonly keyId: string | null;
  /** External id; null: a key's. */
  readonly user: string | null;
}

/** null: the account has no such key. */
export async function limitsOf(
  services: Services,
  { account, keyId, user }: Whose,
): Promise<readonly HolderLimits[] | null> {
  if (keyId === null) return user === null ? [] : ofMember(services, account.id, user);
  const key = await services.keys.byId(keyId);
  if (key === null || key.accountId !== account.id) return null;
  return key.limits === null ? [] : [{ holder: "key", limits: key.limits }];
}

/** Their quotas, on the counters there are; null: the account has no such key. */
export async function ownQuotasOf(services: Services, whose: Whose): Promise<readonly QuotaSettings[] | null> {
  const limits = await limitsOf(services, whose);
  return limits === null ? null : ownQuotas([...shapesOf(services.settings()).values()].flat(), limits);
}

async function ofMember({ users, members }: Services, account: string, externalId: string) {
  const user = await users.byExternalId(externalId);
  const limits = user === null ? null : ((await members.find(account, user.id))?.limits ?? null);
  return limits === null ? [] : [{ holder: "user" as const, limits }];
}
