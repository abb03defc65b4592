/**
 * The log of a worker: one JSON line for each refusal with the rule that refused, and for whatever went wrong. Worker thread.
 * Never holds a credential: the query string is left out, and pino escapes the rest.
 */
import type { Logger } from "pino";
import { type Refusal, statusOf } from "#core/errors.ts";

/** Which request a line is about. */
export interface Concerned {
  readonly requestId: string;
  readonly route: string;
  /** null: an anonymous caller. */
  readonly account: string | null;
}

function concernedFacts({ requestId, route, account }: Concerned) {
  return { request_id: requestId, route, account };
}

const CROWDED_MS = 10_000;

export class RefusalLog {
  readonly #log: Logger;
  #crowd = { evicted: 0, refused: 0 };
  #crowdedSaidMs = -Infinity;

  constructor(log: Logger) {
    this.#log = log;
  }

  refused(refusal: Refusal, requestId: string, method: string, target: string, client: string): void {
    const path = target.split("?", 1)[0]?.slice(0, 1024);
    const facts = {
      event: "refused",
      reason: refusal.rule,
      code: refusal.code,
      status: statusOf(refusal),
      request_id: requestId,
      method,
      path,
      client,
    };
    if (statusOf(refusal) >= 500) this.#log.warn(facts, refusal.detail);
    else this.#log.info(facts, refusal.detail);
  }

  shadow(refusal: Refusal, of: Concerned): void {
    this.#log.info(
      { event: "shadow", reason: refusal.rule, code: refusal.code, ...concernedFacts(of) },
      refusal.detail,
    );
  }

  meter(meter: string, fault: string, of: Concerned): void {
    this.#log.warn(
      { event: "meter-fault", meter, reason: fault, ...concernedFacts(of) },
      "A meter's value could not be used; its fallback counts",
    );
  }

  /** A thing was made whose owner is not known, so that the rules about it do not hold. */
  unlearned(kind: string, reason: string, of: Concerned): void {
    this.#log.warn(
      { event: "resource-unlearned", kind, reason, ...concernedFacts(of) },
      "Something was made, and its owner could not be written down",
    );
  }

  /** There is no room for another client; said at most once in `CROWDED_MS`, with what happened in between. */
  crowded(how: "evicted" | "refused", size: number): void {
    this.#crowd[how]++;
    const now = performance.now();
    if (now < this.#crowdedSaidMs + CROWDED_MS) return;
    this.#crowdedSaidMs = now;
    const facts = { event: "connections-full", connections: size, ...this.#crowd };
    this.#crowd = { evicted: 0, refused: 0 };
    this.#log.warn(
      facts,
      "No room for another client connection: idle ones are closed, or new ones where none is idle",
    );
  }

  journal(error: unknown): void {
    this.#log.error({ event: "journal-failed", err: error }, "Usage cannot be written");
  }

  bug(error: unknown): void {
    this.#log.error({ event: "bug", err: error }, "A request failed in the gateway");
  }
}
