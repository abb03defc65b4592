/**
 * Many kept client connections that all ask at the same moment, for limits that must hold against everybody at once. Raw sockets,
 * cheap enough for ten thousand in one process. Knows statuses only; for what answers say see connection.ts and raw.ts.
 */
import { connect, type Socket } from "node:net";

/** How often each status came, by its number; `closed` is a connection that ended before its whole answer. */
export type StatusCounts = Readonly<Record<string, number>>;

/** The answers to one request of everybody. */
export interface Answers {
  /** Whole answers so far. */
  readonly count: number;
  counts(): StatusCounts;
  /** When everybody has an answer. */
  readonly all: Promise<StatusCounts>;
}

export interface Crowd extends Disposable {
  readonly size: number;
  /** One request on every connection at once; each must have its answer to the one before. `request` is the whole of it, latin1. */
  ask(request: string | ((member: number) => string)): Answers;
}

/** Connections opened at a time: fewer than a worker's backlog. */
const BATCH = 500;

export async function openCrowd(port: number, size: number): Promise<Crowd> {
  const members: Member[] = [];
  while (members.length < size) {
    const batch = Array.from({ length: Math.min(BATCH, size - members.length) }, () => openMember(port));
    members.push(...(await Promise.all(batch)));
  }
  return {
    size,
    ask: (request) => new CrowdAnswers(members, typeof request === "string" ? () => request : request),
    [Symbol.dispose]: () => members.forEach((member) => member.leave()),
  };
}

function openMember(port: number): Promise<Member> {
  return new Promise((resolve, reject) => {
    const socket = connect({ port, host: "127.0.0.1", noDelay: true });
    socket.once("error", reject);
    socket.once("connect", () => {
      socket.off("error", reject);
      resolve(new Member(socket));
    });
  });
}

class CrowdAnswers implements Answers {
  readonly all: Promise<StatusCounts>;
  readonly #counts: Record<string, number> = {};
  #count = 0;

  constructor(members: readonly Member[], request: (member: number) => string) {
    const { promise, resolve } = Promise.withResolvers<StatusCounts>();
    this.all = promise;
    // Made first, so that nothing but the writing lies between the first request and the last.
    const requests = members.map((_, index) => Buffer.from(request(index), "latin1"));
    members.forEach((member, index) =>
      member.ask(requests[index] ?? Buffer.alloc(0), (status) => {
        this.#counts[status] = (this.#counts[status] ?? 0) + 1;
        this.#count += 1;
        if (this.#count === members.length) resolve(this.counts());
      }),
    );
  }

  get count(): number {
    return this.#count;
  }

  counts(): StatusCounts {
    return { ...this.#counts };
  }
}

type OnStatus = (status: string) => void;

class Member {
  readonly #socket: Socket;
  #text = "";
  #onStatus: OnStatus | null = null;

  constructor(socket: Socket) {
    this.#socket = socket;
    socket.on("data", (part: Buffer) => {
      this.#text += part.toString("latin1");
      if (isWhole(this.#text)) this.#answered(this.#text.slice("HTTP/1.1 ".length, "HTTP/1.1 ".length + 3));
    });
    socket.on("error", () => socket.destroy());
    socket.on("close", () => this.#answered("closed"));
  }

  ask(request: Buffer, onStatus: OnStatus): void {
    this.#text = "";
    this.#onStatus = onStatus;
    if (this.#socket.destroyed) this.#answered("closed");
    else this.#socket.write(request);
  }

  #answered(status: string): void {
    const onStatus = this.#onStatus;
    this.#onStatus = null;
    onStatus?.(status);
  }

  /** With a reset: ten thousand ports must not wait for their time to be over. */
  leave(): void {
    this.#onStatus = null;
    this.#socket.resetAndDestroy();
  }
}

/** Whether the text is a whole answer: by its length, or by the end of a chunked body without line ends. */
function isWhole(text: string): boolean {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return false;
  const length = /\r\ncontent-length: *(\d+)\r\n/i.exec(text.slice(0, end + 2))?.[1];
  return length === undefined ? text.endsWith("\r\n0\r\n\r\n") : text.length >= end + 4 + Number(length);
}
