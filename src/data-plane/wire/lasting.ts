/**
 * What lasts: event streams, tunnels, and answers that have been on their way for long. A request is over soon, so its caller is looked
 * at once; these may go on for days, and end with the key, user, session or account they are of. Worker thread; both lanes.
 */
import { wallMs } from "#core/clock.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import type { Gate } from "#data-plane/gate.ts";
import { affectedBy, type CallerChange } from "#data-plane/identity/affects.ts";

/** An answer that has been on its way for so long is one that lasts, whatever it is. Seconds. */
const LASTING_S = 10;
/** In place of a time: it has no head yet, or lasts already. Small integers, as the times are: V8 keeps other numbers as objects. */
const NO_HEAD_S = 2 ** 30 - 1;
const LASTS_S = 2 ** 30 - 2;
/** How often those are looked for whose key is over by time. */
const LOOK_MS = 500;
/** Who cannot be asked about stays for now: it is no sign against them. */
const ASK_AGAIN_MS = 1000;

/** What ends an answer that is revoked; its client just sees it cut off. */
export const REVOKED: Refusal = refuse("credentials_invalid", "caller:revoked", "Caller is not let in any more");

export interface Lasting {
  readonly passage: Passage;
  /** Its caller would not be let in any more: ends it at once, so that nobody takes it for whole. */
  revoke(): void;
}

export class LastingOnes {
  readonly #gate: Gate;
  /** By when their keys are over; milliseconds since 1970. */
  readonly #open = new Map<Lasting, number>();
  /** Those about whom nothing could be said yet. */
  readonly #unsure = new Set<Lasting>();

  constructor(gate: Gate) {
    this.#gate = gate;
    setInterval(() => this.#lookForOver(), LOOK_MS).unref();
  }

  get size(): number {
    return this.#open.size;
  }

  /** From now on until `delete` it may be revoked. */
  add(one: Lasting): void {
    const { principal } = one.passage;
    if (principal === null) return;
    this.#open.set(one, principal.keyEndsAtMs);
    // Who was changed since they were let in is looked at now: their change has been told already.
    if (!this.#gate.isUnchanged(one.passage)) void this.#look(one);
  }

  delete(one: Lasting): void {
    this.#open.delete(one);
  }

  /** Costs a comparison for each that is open. */
  invalidate(what: CallerChange): void {
    if (this.#open.size === 0) return;
    const isAffected = affectedBy(what);
    for (const one of this.#open.keys()) {
      const { principal } = one.passage;
      if (principal !== null && isAffected(principal)) void this.#look(one);
    }
  }

  async #look(one: Lasting): Promise<void> {
    const who = await this.#gate.letsIn(one.passage);
    if (!this.#open.has(one)) return;
    if (who === "nobody") one.revoke();
    else if (who === null) this.#lookLater(one);
    else this.#open.set(one, who.keyEndsAtMs);
  }

  #lookForOver(): void {
    const now = wallMs();
    for (const [one, keyEndsAtMs] of this.#open) if (keyEndsAtMs <= now) void this.#look(one);
  }

  #lookLater(one: Lasting): void {
    if (this.#unsure.has(one)) return;
    this.#unsure.add(one);
    setTimeout(() => {
      this.#unsure.delete(one);
      if (this.#open.has(one)) void this.#look(one);
    }, ASK_AGAIN_MS).unref();
  }
}

/** An answer, from its head to its end. Costs a comparison for each piece of content that passes, until it is one that lasts. */
export abstract class LastingAnswer implements Lasting {
  readonly passage: Passage;
  readonly #ones: LastingOnes;
  /** When it will be one that lasts; seconds of the monotonic clock. */
  #lastsFromS = NO_HEAD_S;
  #over = false;

  constructor(passage: Passage, ones: LastingOnes) {
    this.passage = passage;
    this.#ones = ones;
  }

  abstract revoke(): void;

  protected get isOver(): boolean {
    return this.#over;
  }

  /** Its head has come. */
  protected headCame(nowMs: number, isEventStream: boolean): void {
    if (isEventStream) this.#lasts();
    else this.#lastsFromS = Math.ceil(nowMs / 1000) + LASTING_S;
  }

  /** Content has come. */
  protected contentCame(nowMs: number): void {
    if (nowMs >= this.#lastsFromS * 1000) this.#lasts();
  }

  #lasts(): void {
    this.#lastsFromS = LASTS_S;
    this.#ones.add(this);
  }

  /** It is over, one way or the other. */
  protected ended(): void {
    this.#over = true;
    if (this.#lastsFromS === LASTS_S) this.#ones.delete(this);
  }
}
