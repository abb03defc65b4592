/**
 * One connection to a target, and the answers on it, for the fast lane. Worker thread.
 * Carries one request at a time; strict about what comes back: bytes that are no answer, or that nobody asked for, end the connection, and
 * never reach the next request on it. Not here: which request gets it (`target-sockets.ts`), and what becomes of an answer (its user).
 */
import type { Socket } from "node:net";
import { Outgoing } from "#data-plane/wire/outgoing.ts";
import type { Sender, Turn } from "#data-plane/wire/turn.ts";
import { type BodyReader, ChunkedBody, EndlessBody, LengthBody } from "#data-plane/wire/http1/body-reader.ts";
import { type ResponseHead, ResponseReader } from "#data-plane/wire/http1/response-reader.ts";
import { chunkHead, lastChunk } from "#data-plane/wire/http1/writer.ts";

const HEAD_BYTES_MAX = 64 * 1024;

/** How an answer broke off: before anything of it came, because it was no HTTP, or in its middle. */
export type Breakage = "lost" | "invalid" | "cut";

/** The request that a connection carries. Bytes given to it are good until the call returns. */
export interface ConnectionUser {
  /** HEAD: its answer has no body, whatever the head says. */
  readonly method: string;
  onInterim(head: ResponseHead): void;
  /** `bodiless`: no content follows, `onEnd` does. */
  onHead(head: ResponseHead, bodiless: boolean): void;
  onContent(bytes: Buffer, from: number, to: number): void;
  onEnd(trailers: readonly string[]): void;
  onBroken(why: Breakage): void;
  /** No more of the request's body for now: what was sent waits for the upstream. */
  onFull(): void;
  /** It can take more of the request's body. */
  onDrain(): void;
}

/** Who hears what becomes of the connection. */
export interface ConnectionOwner {
  /** It is free for another request. */
  onIdle(connection: UpstreamConnection): void;
  onClosed(connection: UpstreamConnection): void;
}

export class UpstreamConnection implements Sender {
  readonly #socket: Socket;
  readonly #out: Outgoing;
  readonly #turn: Turn;
  readonly #owner: ConnectionOwner;
  readonly #reader = new ResponseReader(HEAD_BYTES_MAX);
  #user: ConnectionUser | null = null;
  /** Bytes of a head that is not whole yet. */
  #held: Buffer | null = null;
  #head: ResponseHead | null = null;
  #body: BodyReader | null = null;
  /**
   * The answer has no content, but its head tells of some. An upstream that sends it all the same would answer the next request with it,
   * and one that ends content by closing closes: such a connection is not used again.
   */
  #mayGoOn = false;
  /** The request's body is framed in chunks. */
  #chunked = false;
  /** All of the request has been handed over. */
  #sent = true;
  /** Something came since the request was sent. */
  #heard = false;
  /** Some of the request is on its way. */
  #begun = false;
  #closed = false;
  #paused = false;
  /** It waits for the end of the turn. */
  #queued = false;

  /** `socket` is connected. Its bytes come through `take`, from whoever made it. */
  constructor(socket: Socket, turn: Turn, owner: ConnectionOwner) {
    this.#socket = socket;
    this.#out = new Outgoing(socket);
    this.#turn = turn;
    this.#owner = owner;
    socket.on("drain", () => this.#user?.onDrain());
    socket.on("end", () => this.#ended());
    socket.on("close", () => this.#gone());
  }

  get isClosed(): boolean {
    return this.#closed;
  }

  /** What the last answer said of how long an idle connection is kept; null: nothing. */
  get keepAliveSeconds(): number | null {
    return this.#head?.keepAliveSeconds ?? null;
  }

  // -- the request

  /** Sends a request's head at the end of the turn. `body`: how its content will be framed. */
  begin(user: ConnectionUser, text: string, body: "none" | "length" | "chunked"): void {
    this.#user = user;
    this.#head = null;
    this.#heard = false;
    this.#begun = false;
    this.#chunked = body === "chunked";
    this.#sent = body === "none";
    this.#out.text(text);
    this.#queue();
  }

  /** Sends content; false: what was sent before still waits for the upstream, and `onDrain` will say when there is room again. */
  write(bytes: Buffer, from: number, to: number): boolean {
    if (this.#chunked) this.#out.text(chunkHead(to - from));
    this.#out.copy(bytes, from, to);
    if (this.#chunked) this.#out.text("\r\n");
    this.#queue();
    return !this.#socket.writableNeedDrain;
  }

  /** The request's body is whole. */
  endBody(): void {
    this.#sent = true;
    if (!this.#chunked) return;
    this.#out.text(lastChunk([]));
    this.#queue();
  }

  #queue(): void {
    if (this.#queued) return;
    this.#queued = true;
    this.#turn.end(this);
  }

  /** The end of a turn. */
  send(): void {
    this.#queued = false;
    this.#begun = true;
    if (this.#socket.destroyed) this.#out.drop();
    else if (!this.#out.flush()) this.#user?.onFull();
  }

  /** Reads no more until `resume`: the client is behind. */
  pause(): void {
    this.#paused = true;
    this.#socket.pause();
  }

  resume(): void {
    if (!this.#paused) return;
    this.#paused = false;
    this.#socket.resume();
  }

  /** Whoever asked for it does not want it any more, and has sent nothing. */
  release(): void {
    this.#owner.onIdle(this);
  }

  /** The request is given up: nothing of its answer is wanted. */
  abort(): void {
    this.#user = null;
    this.#socket.destroy();
  }

  // -- the answer

  /** Bytes from the socket, good until this returns. */
  take(bytes: Buffer, length: number): void {
    const held = this.#held;
    this.#held = null;
    let all = bytes;
    let end = length;
    if (held !== null) {
      all = Buffer.concat([held, bytes.subarray(0, length)]);
      end = all.length;
    }
    // What came before the request went out answers nobody.
    if (this.#user !== null && !this.#begun) return this.#break("lost");
    this.#heard = true;
    let at = 0;
    while (at < end) {
      if (this.#user === null) {
        this.#socket.destroy();
        return;
      }
      const next = this.#body === null ? this.#takeHead(all, at, end) : this.#takeBody(this.#body, all, at, end);
      if (next === -1) {
        // A head that is not whole: the bytes belong to the next read, so what is kept is a copy.
        this.#held = Buffer.from(all.subarray(at, end));
        return;
      }
      at = next;
    }
  }

  /** Offset behind what was read, -1: not whole yet. */
  #takeHead(bytes: Buffer, at: number, end: number): number {
    const head = this.#reader.read(bytes, at, end);
    if (head === null) return -1;
    if ("fault" in head || head.status === 101) {
      this.#break("invalid");
      return end;
    }
    const next = this.#reader.end;
    const { status, framing } = head;
    if (status < 200) {
      this.#user?.onInterim(head);
      return next;
    }
    this.#head = head;
    const bodiless = status === 204 || status === 304 || this.#user?.method === "HEAD";
    if (!bodiless && framing.kind === "chunked") this.#body = new ChunkedBody();
    else if (!bodiless && framing.kind === "endless") this.#body = new EndlessBody();
    else if (!bodiless && framing.kind === "length" && framing.bytes > 0) this.#body = new LengthBody(framing.bytes);
    this.#mayGoOn = bodiless && tellsOfContent(head);
    this.#user?.onHead(head, this.#body === null);
    if (this.#body === null) this.#answered([], next < end);
    return next;
  }

  #takeBody(body: BodyReader, bytes: Buffer, at: number, end: number): number {
    const next = body.next(bytes, at, end);
    if (body.to > body.from) this.#user?.onContent(bytes, body.from, body.to);
    if (body.broken) {
      this.#break("cut");
      return end;
    }
    if (body.done) this.#answered(body.trailers, next < end);
    return next;
  }

  /** The answer is whole. `surplus`: bytes came behind it, which belong to nobody. */
  #answered(trailers: readonly string[], surplus: boolean): void {
    const user = this.#user;
    const keeps = this.#head?.keepsAlive === true && this.#sent && !surplus && !this.#mayGoOn;
    this.#user = null;
    this.#body = null;
    if (!keeps) this.#socket.destroy();
    this.resume();
    user?.onEnd(trailers);
    if (keeps && !this.#closed && !this.#socket.destroyed) this.#owner.onIdle(this);
  }

  #break(why: Breakage): void {
    const user = this.#user;
    this.#user = null;
    this.#body = null;
    this.#socket.destroy();
    user?.onBroken(why);
  }

  /** The upstream sends no more: the end of a body that only so ends, the loss of anything else. */
  #ended(): void {
    if (this.#body instanceof EndlessBody) this.#answered([], true);
    else this.#gone();
  }

  #gone(): void {
    if (this.#closed) return;
    this.#closed = true;
    const why: Breakage = this.#heard ? "cut" : "lost";
    const user = this.#user;
    this.#user = null;
    this.#socket.destroy();
    user?.onBroken(why);
    this.#owner.onClosed(this);
  }
}

function tellsOfContent({ framing, status }: ResponseHead): boolean {
  if (framing.kind === "length") return framing.bytes > 0;
  return framing.kind === "chunked" || (status !== 204 && status !== 304);
}
