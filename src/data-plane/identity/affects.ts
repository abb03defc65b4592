/** Whom a change is about, among those whom this worker has let in. Worker thread, pure. */
import type { Invalidation, ResourceChange } from "#shared/messages.ts";
import type { Principal } from "./principal.ts";

/** A change of keys, accounts or users. */
export type CallerChange = Exclude<Invalidation, ResourceChange>;

export function affects(what: CallerChange, { keyId, account, user, session }: Principal): boolean {
  switch (what.kind) {
    case "key":
      return keyId === what.id;
    case "account":
      return account.id === what.id;
    case "user":
      return session?.user === what.id;
    case "batch":
      return (
        what.accounts.includes(account.id) ||
        (keyId !== null && what.keys.includes(keyId)) ||
        (user !== null && what.users?.includes(user) === true)
      );
  }
}
