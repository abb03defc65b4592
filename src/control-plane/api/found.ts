/** What a request names, or its 404. Main thread. */
import type { Account } from "#control-plane/accounts/account.ts";
import type { User } from "#control-plane/users/user.ts";
import { reject } from "./problems.ts";
import type { Services } from "./services.ts";

/** By our id or the operator's. */
export async function accountOr404(services: Services, id: string): Promise<Account> {
  return (await services.accounts.find(id)) ?? reject("not_found", "account:id", `No account ${id}`);
}

/** As `accountOr404`, for what is to be added to the account: refuses one that is deleted. */
export async function liveAccount(services: Services, id: string): Promise<Account> {
  const account = await accountOr404(services, id);
  if (account.state === "deleted") reject("conflict", "account:deleted", `Account ${id} is deleted; restore it first`);
  return account;
}

/** By our id or the external one. */
export async function userOr404(services: Services, id: string): Promise<User> {
  return (await services.users.find(id)) ?? reject("not_found", "user:id", `No user ${id}`);
}
