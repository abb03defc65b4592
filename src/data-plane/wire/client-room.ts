/**
 * The room a worker has for clients' connections, and who goes when there is none left: the one that has been without a request
 * longest. One with a request under way is never closed for another; when all are such, the newcomer is turned away. Worker thread;
 * shared by both lanes. Cost: a few pointers for each request, nothing that grows with the connections.
 * Half a request head counts as none: a byte would hold a place otherwise.
 */
import type { RefusalLog } from "#data-plane/refusal-log.ts";
import type { WorkerMetrics } from "#shared/metrics-table.ts";

/** Who has a place. */
export interface Guest {
  /** Closes the connection at once. */
  evict(): void;
}

/** A connection's place. Only the room changes it. */
export class Place {
  readonly guest: Guest;
  /** Connections it stands for; 0: it is not in the room. */
  weight = 0;
  isResting = false;
  older: Place | null = null;
  newer: Place | null = null;

  constructor(guest: Guest) {
    this.guest = guest;
  }
}

export class ClientRoom {
  readonly #metrics: WorkerMetrics;
  readonly #log: RefusalLog;
  #size: number;
  #taken = 0;
  /** Ends of the list of places without a request; the one that came to rest first is the oldest. */
  #oldest: Place | null = null;
  #newest: Place | null = null;

  /** `size`: places; Infinity sets no limit. */
  constructor(size: number, metrics: WorkerMetrics, log: RefusalLog) {
    this.#size = size;
    this.#metrics = metrics;
    this.#log = log;
  }

  /** Another size from now on. Nobody has to go before the next one comes. */
  resize(size: number): void {
    this.#size = size;
  }

  /** A connection without a request. False: no place could be made for it. */
  enter(place: Place): boolean {
    while (this.#taken >= this.#size && this.#oldest !== null) this.#evict(this.#oldest);
    if (this.#taken >= this.#size) {
      this.#metrics.count("connections_refused");
      this.#log.crowded("refused", this.#size);
      return false;
    }
    this.#take(place);
    this.rests(place);
    return true;
  }

  /** It has no request any more. */
  rests(place: Place): void {
    if (place.isResting || place.weight === 0) return;
    place.isResting = true;
    place.older = this.#newest;
    if (this.#newest === null) this.#oldest = place;
    else this.#newest.newer = place;
    this.#newest = place;
  }

  /** It has a request under way. */
  works(place: Place): void {
    if (!place.isResting) return;
    place.isResting = false;
    const { older, newer } = place;
    if (older === null) this.#oldest = newer;
    else older.newer = newer;
    if (newer === null) this.#newest = older;
    else newer.older = older;
    place.older = null;
    place.newer = null;
  }

  /** It is a tunnel from now on, whose other end is a connection beyond those that upstreams may have. */
  becomesTunnel(place: Place): void {
    this.works(place);
    if (place.weight === 1) this.#take(place);
  }

  leaves(place: Place): void {
    this.works(place);
    this.#taken -= place.weight;
    this.#metrics.connections(-place.weight);
    place.weight = 0;
  }

  #take(place: Place): void {
    place.weight++;
    this.#taken++;
    this.#metrics.connections(1);
  }

  #evict(place: Place): void {
    this.leaves(place);
    this.#metrics.count("connections_evicted");
    this.#log.crowded("evicted", this.#size);
    place.guest.evict();
  }
}
