/** What a relay needs of the client's side. Worker thread. */
import type { Refusal } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import type { Outgoing } from "#data-plane/wire/outgoing.ts";

export interface RelayClient {
  readonly out: Outgoing;
  /** Whether the connection can be kept behind this answer, should its framing allow it. */
  readonly mayKeep: boolean;
  /** Something was queued. */
  queued(): void;
  /** The answer is queued as a whole. `status` for the metrics. */
  answered(keepsAlive: boolean): void;
  /** The answer's head was queued. */
  headQueued(status: number): void;
  /** Answers with a refusal; only before any byte of a final answer was queued. */
  refuse(passage: Passage, refusal: Refusal): void;
  /** The answer cannot be ended cleanly: the connection is cut. */
  cut(): void;
  /** No more of the request's body for now. */
  pauseBody(): void;
  /** More of the request's body can be taken. */
  resumeBody(): void;
}
