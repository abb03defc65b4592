/** The limits of who calls themselves, beside those of the account. Main thread. */
import type { HolderLimits } from "#shared/principals.ts";
import type { Account } from "#control-plane/accounts/account.ts";
import type { Services } from "./services.ts";

interface Whose {
  readonly account: Pick<Account, "id">;
  readonly keyId: string | null;
}

/** null: the account has no such key. */
export async function limitsOf(services: Services, { account, keyId }: Whose): Promise<readonly HolderLimits[] | null> {
  if (keyId === null) return [];
  const key = await services.keys.byId(keyId);
  if (key === null || key.accountId !== account.id) return null;
  return key.limits === null ? [] : [{ holder: "key", limits: key.limits }];
}
