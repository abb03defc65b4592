/** What a request names, or its 404. Main thread. */
import type { Account } from "#control-plane/accounts/accounts.ts";
import { reject } from "./problems.ts";
import type { Services } from "./services.ts";

/** By our id or the operator's. */
export async function accountOr404(services: Services, id: string): Promise<Account> {
  return (await services.accounts.find(id)) ?? reject("not_found", "account:id", `No account ${id}`);
}
