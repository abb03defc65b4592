/**
 * What is done once at the end of a turn of the event loop: usage is written with one call for all answers of the turn, then the
 * answers go out, one write a connection. Worker thread.
 */
export interface Sender {
  /** All charges staged so far are written, or known to be lost: what waits may go out. */
  send(): void;
}

export class Turn {
  readonly #before: () => void;
  #waiting: Sender[] = [];
  #sending: Sender[] = [];
  #scheduled = false;
  /** 0: not read yet in this turn. */
  #nowMs = 0;

  /** `before` is called once, ahead of all that is sent. */
  constructor(before: () => void) {
    this.#before = before;
  }

  /** `sender` is called at the end of this turn; once, so a sender asks no second time before it was. */
  end(sender: Sender): void {
    this.#waiting.push(sender);
    this.soon();
  }

  /** What is staged is written at the end of this turn, also when nothing is to be sent. */
  soon(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#run);
  }

  /** Milliseconds of the monotonic clock, read once a turn. */
  nowMs(): number {
    if (this.#nowMs === 0) {
      this.#nowMs = performance.now();
      // The end of the turn forgets it.
      this.soon();
    }
    return this.#nowMs;
  }

  readonly #run = (): void => {
    this.#scheduled = false;
    this.#nowMs = performance.now();
    const sending = this.#waiting;
    this.#waiting = this.#sending;
    this.#sending = sending;
    this.#before();
    for (const sender of sending) sender.send();
    sending.length = 0;
    this.#nowMs = 0;
  };
}
