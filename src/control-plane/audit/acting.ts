/**
 * Who acts in what runs now, so that each change can be written down with its actor wherever it is made. Main thread.
 * Set once, where a request or a command comes in; what runs outside of any is the gateway's own doing.
 */
import { AsyncLocalStorage } from "node:async_hooks";

export interface Actor {
  /**
   * `operator` the admin token; `command` the command line on this machine; `key` an API key; `user` a user by token;
   * `gateway` the gateway itself, at first sight of an account say.
   */
  readonly kind: "operator" | "command" | "key" | "user" | "gateway";
  /** Id of the key or user; null: there is none. */
  readonly id: string | null;
  /** The account the caller belongs to; null: none. */
  readonly account: string | null;
  /** Addresses the request came through, the client's first; null: none, it was made on this machine. */
  readonly ip: string | null;
  readonly requestId: string | null;
}

const GATEWAY: Actor = { kind: "gateway", id: null, account: null, ip: null, requestId: null };

const storage = new AsyncLocalStorage<Actor>();

/** Runs `work`, and all that it leads to, as this actor. */
export function actingAs<T>(actor: Actor, work: () => T): T {
  return storage.run(actor, work);
}

export function currentActor(): Actor {
  return storage.getStore() ?? GATEWAY;
}
