/** A whole conversation on one connection, up to its end, and what the app and the ledger saw of it. Judges nothing. */
import { rawExchange } from "#test/support/raw.ts";
import { get } from "./expectations.ts";
import type { World } from "./world.ts";

export interface Conversation {
  /** Of the final answers, in order; null: one that stopped before its end. */
  readonly statuses: readonly (number | null)[];
  /** Of the requests that reached the upstream whole, in order. */
  readonly targets: readonly string[];
  readonly usage: number;
  /** The gateway closed the connection. */
  readonly closed: boolean;
}

export interface ConversationOptions {
  /** Of the requests in order. */
  readonly methods?: readonly string[];
  /** Half-close behind the bytes. */
  readonly end?: boolean;
  readonly chunkGapMs?: number;
}

/** The request that ends a conversation: what is answered before it, was answered; and what would come behind it never is. */
export const GOODBYE = get("/public/goodbye", "Connection: close");

/** Longer than any answer takes; a conversation ends with its connection, not with silence. */
const SILENCE_MS = 5000;

export async function conversation(
  world: World,
  pieces: string | readonly string[],
  options: ConversationOptions = {},
): Promise<Conversation> {
  const before = await world.tally();
  const answer = await rawExchange(world.gateway.port, pieces, { idleMs: SILENCE_MS, ...options });
  const after = await world.tally();
  return {
    statuses: answer.responses.flatMap(({ status, complete }) => (status < 200 ? [] : [complete ? status : null])),
    targets: world.upstream.requests.slice(before.whole).map(({ url }) => url),
    usage: after.usage - before.usage,
    closed: answer.closed,
  };
}
