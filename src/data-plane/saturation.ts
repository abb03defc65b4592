/**
 * Whether this thread is what cannot carry the load: its event loop has had no time to spare for a while. Worker thread; asked only when
 * a request is refused for want of room, so it costs nothing otherwise.
 * A refusal costs a good third of an answer: a saturated thread that refused one request after the other on the same connections would
 * soon do nothing else. So the connection of a refused request then rests, unread, until about the `Retry-After` it was told is over.
 * Not while there is time to spare: a connection may carry the requests of many (a proxy's), and those to other apps could pass.
 */

/** The loop is looked at over at least so long. */
const LOOK_MS = 500;
const BUSY_SHARE = 0.95;
/** Rests take 1 to 2 s, in so many steps, so that not all come back at once. */
const REST_MS = 1000;
const REST_STEPS = 8;

export class Saturation {
  #since = performance.eventLoopUtilization();
  #isSaturated = false;
  #step = 0;

  /** How long the connection of a request that is refused now is not to be read; 0: it may go on. */
  restMs(): number {
    this.#look();
    if (!this.#isSaturated) return 0;
    this.#step = (this.#step + 1) % REST_STEPS;
    return REST_MS * (1 + this.#step / REST_STEPS);
  }

  #look(): void {
    const now = performance.eventLoopUtilization();
    const { idle, active, utilization } = performance.eventLoopUtilization(now, this.#since);
    if (idle + active < LOOK_MS) return;
    this.#since = now;
    this.#isSaturated = utilization >= BUSY_SHARE;
  }
}
