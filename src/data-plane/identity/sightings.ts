/**
 * Who was seen making requests, and from where: noted here, told to the main thread in batches, which writes it down. Worker thread.
 * A caller is noted once in a while, not with each request; what is noted and not told yet is lost when the process is killed.
 */
import { wallMs } from "#core/clock.ts";
import type { Seen, SeenAccount, SeenKey, SeenSession } from "#shared/messages.ts";
import type { Principal } from "./principal.ts";

/** How often one caller is noted. */
const SIGHTING_MS = 10_000;
/** How often what is noted is told. */
export const TELL_MS = 1000;
/** What is noted until it is told; what comes beyond is told at once. */
const NOTED_MAX = 2000;

/** When a principal was noted last; the one thing about it that changes. */
export interface Sighting {
  /** Milliseconds since 1970. */
  atMs: number;
}

export class Sightings {
  readonly #tell: (seen: Seen) => void;
  readonly #keys = new Map<string, SeenKey>();
  readonly #accounts = new Map<string, SeenAccount>();
  /** By user and session. */
  readonly #sessions = new Map<string, SeenSession>();

  constructor(tell: (seen: Seen) => void) {
    this.#tell = tell;
  }

  /** Costs a comparison for all but the first request in `SIGHTING_MS`; `address` is the client's. */
  note(principal: Principal, address: string): void {
    const nowMs = wallMs();
    const { sighting } = principal;
    // A clock that was put back would otherwise hide everybody until it is where it was.
    if (nowMs < sighting.atMs + SIGHTING_MS && nowMs >= sighting.atMs) return;
    sighting.atMs = nowMs;
    const { keyId, account, session } = principal;
    this.#accounts.set(account.id, { id: account.id, atMs: nowMs });
    if (keyId !== null) this.#keys.set(keyId, { id: keyId, atMs: nowMs, address });
    if (session !== null) this.#note({ ...session, atMs: nowMs, address });
    if (this.#sessions.size >= NOTED_MAX || this.#accounts.size >= NOTED_MAX || this.#keys.size >= NOTED_MAX)
      this.flush();
  }

  /** A session has many tokens, which may be noted in any order. */
  #note(seen: SeenSession): void {
    const name = `${seen.user} ${seen.id}`;
    const before = this.#sessions.get(name);
    const isNewer = before === undefined || (seen.issuedMs ?? 0) >= (before.issuedMs ?? 0);
    this.#sessions.set(name, isNewer ? seen : { ...before, atMs: seen.atMs, address: seen.address });
  }

  /** Tells what there is. */
  flush(): void {
    if (this.#accounts.size === 0) return;
    const [keys, accounts] = [[...this.#keys.values()], [...this.#accounts.values()]];
    this.#tell({ keys, accounts, sessions: [...this.#sessions.values()] });
    this.#keys.clear();
    this.#accounts.clear();
    this.#sessions.clear();
  }
}
