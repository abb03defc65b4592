/**
 * Whether a request's body comes at the pace it must: a client may fall behind by ten seconds, and by what it has sent ahead of the pace,
 * but by no more than an idle connection may rest. Worker thread, pure.
 */

/** How far a client may be behind from the start. */
const GRACE_MS = 10_000;

export class BodyPace {
  readonly #bytesPerMs: number;
  readonly #aheadMsMax: number;
  #leftMs = GRACE_MS;
  #lookedMs: number;
  #bytes = 0;

  /** `bytesPerSecond` 0: any pace will do. */
  constructor(bytesPerSecond: number, idleTimeoutMs: number, nowMs: number) {
    this.#bytesPerMs = bytesPerSecond / 1000;
    this.#aheadMsMax = Math.max(GRACE_MS, idleTimeoutMs);
    this.#lookedMs = nowMs;
  }

  /** `bytes`: of content so far. `held`: since the last look it was not the client who held it up. */
  isTooSlow(nowMs: number, bytes: number, held: boolean): boolean {
    if (this.#bytesPerMs === 0) return false;
    const gained = (bytes - this.#bytes) / this.#bytesPerMs;
    const spent = held ? 0 : nowMs - this.#lookedMs;
    this.#leftMs = Math.min(this.#aheadMsMax, this.#leftMs + gained) - spent;
    this.#lookedMs = nowMs;
    this.#bytes = bytes;
    return this.#leftMs < 0;
  }
}
