/** The body of a request on its way from a client: cut out of the connection's bytes, counted, and watched for its pace. Worker thread. */
import type { LimitSettings } from "#config/settings.ts";
import type { Refusal } from "#core/errors.ts";
import { BodyPace } from "#data-plane/wire/body-pace.ts";
import { SILENT, SLOW_BODY } from "#data-plane/wire/client-refusals.ts";
import { hasBody, type RequestHead } from "#data-plane/wire/head.ts";
import { type BodyReader, ChunkedBody, LengthBody } from "#data-plane/wire/http1/body-reader.ts";

/** Bytes of a refused request's body that are read past; with more to come the connection is closed. */
export const PAST_BYTES_MAX = 64 * 1024;
/** Time a client has for them. */
export const PAST_MS = 5000;

/** Whether a body is small enough to read past; by its head alone, for how much of it has come is chance. */
export function isReadPast({ chunked, expects, contentLength }: RequestHead): boolean {
  return !chunked && expects === "nothing" && (contentLength ?? 0) <= PAST_BYTES_MAX;
}

/** Who gets it. Bytes are good until the call returns. */
export interface BodyTaker {
  onBody(bytes: Buffer, from: number, to: number): void;
  onBodyEnd(): void;
  /** Bytes came that are no body: nothing after them can be trusted. */
  onBrokenBody(): void;
}

export class RequestBody {
  readonly #reader: BodyReader;
  readonly #taker: BodyTaker;
  readonly #idleTimeoutMs: number;
  readonly #pace: BodyPace;
  #over = false;
  #bytes = 0;

  private constructor(reader: BodyReader, taker: BodyTaker, limits: LimitSettings, nowMs: number) {
    this.#reader = reader;
    this.#taker = taker;
    this.#idleTimeoutMs = limits.idleTimeoutMs;
    this.#pace = new BodyPace(limits.bodyBytesPerSecond, limits.idleTimeoutMs, nowMs);
  }

  /** null: the request has none. */
  static of(head: RequestHead, taker: BodyTaker, limits: LimitSettings, nowMs: number): RequestBody | null {
    if (!hasBody(head)) return null;
    const reader = head.chunked ? new ChunkedBody() : new LengthBody(head.contentLength ?? 0);
    return new RequestBody(reader, taker, limits, nowMs);
  }

  /** Bytes of content so far. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Hands on what belongs to the body; returns the offset behind it. */
  read(bytes: Buffer, length: number): number {
    const reader = this.#reader;
    let at = 0;
    while (at < length && !this.#over) {
      at = reader.next(bytes, at, length);
      if (reader.to > reader.from) {
        this.#bytes += reader.to - reader.from;
        this.#taker.onBody(bytes, reader.from, reader.to);
      }
      if (reader.broken || reader.done) this.#end();
    }
    return at;
  }

  #end(): void {
    // Whoever takes it may have given it up just now.
    if (this.#over) return;
    this.#over = true;
    if (this.#reader.broken) this.#taker.onBrokenBody();
    else this.#taker.onBodyEnd();
  }

  /**
   * Why the client has kept it waiting for too long, null when it has not. `silentMs`: since its last byte came; null: nothing is
   * read from the client just now, so it is not the one who is waited for.
   */
  slowness(nowMs: number, silentMs: number | null): Refusal | null {
    const isTooSlow = this.#pace.isTooSlow(nowMs, this.#bytes, silentMs === null);
    if (silentMs !== null && silentMs > this.#idleTimeoutMs) return SILENT;
    return isTooSlow ? SLOW_BODY : null;
  }

  /** Nobody wants the rest. */
  drop(): void {
    this.#over = true;
  }
}
