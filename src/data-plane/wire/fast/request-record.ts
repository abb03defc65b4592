/** What the metrics hear of one request of the fast lane. Worker thread. */
import { CLIENT_CLOSED_STATUS } from "#data-plane/metering/reservation.ts";
import { OTHER_METRIC } from "#data-plane/runtime.ts";
import type { FastLaneParts } from "./client-lane.ts";

export class RequestRecord {
  /** Its route's. */
  metric = OTHER_METRIC;
  /** What the client got; 0: nothing. */
  status = 0;
  readonly #lane: FastLaneParts;
  #startedMs = 0;

  constructor(lane: FastLaneParts) {
    this.#lane = lane;
  }

  begin(): void {
    this.metric = OTHER_METRIC;
    this.status = 0;
    this.#startedMs = this.#lane.turn.nowMs();
    this.#lane.metrics.started("fast");
  }

  end(): void {
    const status = this.status === 0 ? CLIENT_CLOSED_STATUS : this.status;
    this.#lane.metrics.finished(this.metric, status, (this.#lane.turn.nowMs() - this.#startedMs) / 1000);
  }
}
