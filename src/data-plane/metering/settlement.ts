/**
 * The end of one request as its lane sees it: whatever was reserved is settled or given back, once, and concurrency slots are let go,
 * however the request ends. Worker thread. The lane tells what happens in order: head, chunks, end, or that somebody left.
 */
import { ERRORS } from "#core/errors.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { Measurement, type FaultListener } from "./measurement.ts";
import { CLIENT_CLOSED_STATUS } from "./reservation.ts";
import { counts, type Settler } from "./settler.ts";

/** What the client of a lost charge hears. */
const METERING_STATUS = ERRORS.metering_unavailable.status;
/** Largest event or line of a stream that is looked into. */
const EVENT_BYTES_MAX = 1024 * 1024;

/** Holds the end of an answer back until it may go. */
export interface EndHolder {
  onKnown(): void;
}

export class Settlement {
  readonly #settler: Settler;
  readonly #passage: Passage;
  readonly #batched: boolean;
  /** null: nothing is measured. */
  readonly measurement: Measurement | null;
  #status = 0;
  #headSettled = false;
  #ended = false;

  /**
   * `batched`: charges are only staged, and the lane asks `isLost` after the settler's next flush, before it lets a byte go; otherwise
   * each is written at once, and `head` and `end` say what became of it.
   */
  constructor(settler: Settler, passage: Passage, onFault: FaultListener, batched = false) {
    this.#settler = settler;
    this.#passage = passage;
    this.#batched = batched;
    this.measurement = measurementOf(passage, onFault);
  }

  /** The status the client is about to get, with the answer's header lines. False: usage cannot be recorded, answer 503. */
  head(status: number, rawHeaders: readonly string[]): boolean {
    if (this.#headSettled) return true;
    this.#headSettled = true;
    this.#status = status;
    const { reservation, watch } = this.#passage;
    watch?.head(status, rawHeaders);
    if (reservation === null) return true;
    const isKnown = this.measurement === null || this.measurement.responseHead(rawHeaders);
    this.#settler.stage(reservation, status, isKnown ? this.#units(status) : null);
    return this.#isRecorded();
  }

  /** Content of the request's body: `bytes` from `from` up to, not including, `to`. */
  requestContent(bytes: Uint8Array, from: number, to: number): void {
    if (this.measurement?.wantsRequest === true) this.measurement.requestChunk(bytes.subarray(from, to));
  }

  /** Content of the answer: `bytes` from `from` up to, not including, `to`. */
  content(bytes: Uint8Array, from: number, to: number): void {
    const { watch } = this.#passage;
    if (this.measurement === null && watch === null) return;
    const piece = bytes.subarray(from, to);
    this.measurement?.responseChunk(piece);
    watch?.chunk(piece);
  }

  /** The last bytes of the answer are not to go before `whenKnown`; as of its head. */
  get holdsEnd(): boolean {
    return this.#passage.watch?.holds === true;
  }

  /** Behind `end`: tells when every worker knows what the answer says of owners; at once when it says nothing. */
  whenKnown(who: EndHolder): void {
    const known = this.#passage.watch?.end() ?? null;
    if (known === null) who.onKnown();
    else void known.then(() => who.onKnown());
  }

  /** A charge could not be written, and the answer may not go on. */
  get isLost(): boolean {
    return this.#passage.reservation?.lost === true && !this.#serves();
  }

  #isRecorded(): boolean {
    if (!this.#batched) this.#settler.flush();
    return !this.isLost;
  }

  /** Nothing more comes; before the answer's last byte. False: usage cannot be recorded, that byte may not go out. */
  end(): boolean {
    if (this.#ended) return true;
    this.#ended = true;
    const { reservation } = this.#passage;
    if (reservation !== null && !reservation.over && this.measurement !== null)
      this.#settler.stageMeasured(reservation, this.#status, this.measurement.units());
    this.letGo();
    return this.#isRecorded();
  }

  /** Ends with a status that no upstream gave. */
  endWith(status: number): void {
    this.#passage.watch?.cut();
    const { reservation } = this.#passage;
    if (!this.#headSettled && reservation !== null) {
      this.#headSettled = true;
      this.#settler.stage(reservation, status, this.#units(status));
    }
    this.end();
  }

  /** The charge of an answer that had not begun could not be written. */
  lost(): void {
    this.endWith(METERING_STATUS);
  }

  /** The client left: a whole request counts by the rule for status 499, half a one is no request. */
  clientGone(wasWhole: boolean): void {
    if (this.#headSettled || wasWhole) this.endWith(CLIENT_CLOSED_STATUS);
    else this.release();
  }

  /** Nothing is charged that is not settled already. */
  release(): void {
    this.#passage.watch?.cut();
    const { reservation } = this.#passage;
    if (reservation !== null) this.#settler.release(reservation);
    this.#headSettled = true;
    this.#ended = true;
    this.letGo();
  }

  /** The request is over: its concurrency slots are free. */
  letGo(): void {
    this.#passage.held?.giveBack();
  }

  /** What is not charged is not asked for: a value that an app's failure left out is no fault of a meter. */
  #units(status: number): readonly number[] {
    const { route } = this.#passage;
    return this.measurement === null || !counts(route.countWhen, status) ? NONE : this.measurement.units();
  }

  #serves(): boolean {
    return this.#passage.runtime.settings.metering.onJournalFailure === "serve";
  }
}

const NONE: readonly number[] = [];

function measurementOf(passage: Passage, onFault: FaultListener): Measurement | null {
  const { reservation, route, runtime, head, principal, requestId } = passage;
  const measured = route.lines.slice(route.constants);
  if (reservation === null || measured.length === 0) return null;
  const bodyBytes = runtime.settings.metering.bodyCapBytes;
  const caps = { bodyBytes, eventBytes: Math.min(bodyBytes, EVENT_BYTES_MAX) };
  const concerned = { requestId, route: route.name, account: principal?.account.id ?? null };
  const hear = (meter: string, fault: string) => onFault(meter, fault, concerned);
  return new Measurement(measured, reservation.units.slice(route.constants), head.raw, caps, hear);
}
