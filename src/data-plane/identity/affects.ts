/** Whom a change is about, among those whom this worker has let in. Worker thread, pure. */
import type { Invalidation, ResourceChange } from "#shared/messages.ts";
import type { Principal } from "./principal.ts";

/** A change of keys, accounts or users. */
export type CallerChange = Exclude<Invalidation, ResourceChange>;

/** Tells of each caller whether the change is about them; made once a change, for some name very many. */
export function affectedBy(what: CallerChange): (caller: Principal) => boolean {
  switch (what.kind) {
    case "key":
      return ({ keyId }) => keyId === what.id;
    case "account":
      return ({ account }) => account.id === what.id;
    case "user":
      return ({ session }) => session?.user === what.id;
    case "batch": {
      const accounts = new Set(what.accounts);
      const keys = new Set(what.keys);
      const users = new Set(what.users);
      return ({ keyId, account, user }) =>
        accounts.has(account.id) || (keyId !== null && keys.has(keyId)) || (user !== null && users.has(user));
    }
  }
}
