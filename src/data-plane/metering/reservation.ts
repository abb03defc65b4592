/**
 * What a request took from counters and grants, until it is settled. Worker thread.
 * Lines of the route whose units are known from the start are settled with the answer's head, measured ones when their value is
 * known, at the latest before the answer's last byte. Not here: how (`settler.ts`).
 */
import type { CallerLimits } from "#data-plane/policy/caller-limits.ts";
import type { TakenCredits } from "#shared/credit-burner.ts";

/** Status under which a client that left before the answer is settled (as nginx logs it). */
export const CLIENT_CLOSED_STATUS = 499;

export interface Reservation {
  /** Time of admission: the moment that says which windows the units belong to. Milliseconds since 1970. */
  readonly atMs: number;
  readonly epoch: number;
  readonly requestId: string;
  readonly limits: CallerLimits;
  /** Units taken by line: the route's constants, then the estimates of measured lines. */
  readonly units: readonly number[];
  /**
   * Slots of the in-flight table by line and counter, -1 where nothing was taken: should this thread die, the main thread gives the
   * units back.
   */
  readonly slots: readonly number[][];
  /** Credits taken by line. */
  readonly credits: readonly TakenCredits[][];
  /** Whether the journal has the request already, or a record that is staged for it. */
  journaled: boolean;
  /** Settled or released as a whole. */
  over: boolean;
  /** A charge of it could not be written. */
  lost: boolean;
}
