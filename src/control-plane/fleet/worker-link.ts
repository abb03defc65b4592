/** One worker thread as the main thread sees it: messages out with their acknowledgement, questions in. Main thread. */
import { Worker } from "node:worker_threads";
import type { Answer, FromWorker, Question, Seen, ToWorker, WorkerStart } from "#shared/messages.ts";

/** A message that the worker acknowledges, before it has its number. */
type Order =
  Extract<ToWorker, { readonly seq: number }> extends infer M ? (M extends ToWorker ? Omit<M, "seq"> : never) : never;

export interface WorkerEvents {
  readonly answer: (question: Question) => Promise<Answer>;
  readonly seen: (seen: Seen) => void;
  readonly failed: (error: unknown) => void;
  readonly exited: (code: number) => void;
}

export class WorkerLink {
  readonly index: number;
  readonly owner: number;
  readonly #worker: Worker;
  readonly #events: WorkerEvents;
  readonly #waiting = new Map<number, () => void>();
  readonly #listening = Promise.withResolvers<number>();
  #nextSeq = 1;
  #gone = false;

  constructor(entry: URL, start: WorkerStart, events: WorkerEvents) {
    this.index = start.index;
    this.owner = start.owner;
    this.#events = events;
    this.#worker = new Worker(entry, { workerData: start, name: `worker-${start.index}` });
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error) => events.failed(error));
    this.#worker.on("exit", (code) => this.#exited(code));
    this.#listening.promise.catch(() => undefined);
  }

  /** The port it listens on; rejects when it cannot, or ends before. */
  listening(): Promise<number> {
    return this.#listening.promise;
  }

  /** Resolves when the worker has done it, or is gone. */
  order(order: Order): Promise<void> {
    if (this.#gone) return Promise.resolve();
    const seq = this.#nextSeq++;
    return new Promise((resolve) => {
      this.#waiting.set(seq, resolve);
      // An Order is a ToWorker without its number.
      this.#worker.postMessage({ ...order, seq } as ToWorker);
    });
  }

  async terminate(): Promise<void> {
    await this.#worker.terminate();
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "listening":
        this.#listening.resolve(message.port);
        break;
      case "listen-failed":
        this.#listening.reject(new Error(message.reason));
        break;
      case "done":
        this.#waiting.get(message.seq)?.();
        this.#waiting.delete(message.seq);
        break;
      case "ask":
        void this.#answer(message.id, message.question);
        break;
      case "seen":
        this.#events.seen(message.seen);
        break;
    }
  }

  async #answer(id: number, question: Question): Promise<void> {
    let reply: ToWorker;
    try {
      reply = { type: "answer", id, answer: await this.#events.answer(question) };
    } catch (error) {
      this.#events.failed(error);
      reply = { type: "answer-failed", id };
    }
    if (!this.#gone) this.#worker.postMessage(reply);
  }

  #exited(code: number): void {
    this.#gone = true;
    this.#listening.reject(new Error(`Worker ended with code ${code} before it listened`));
    for (const resolve of this.#waiting.values()) resolve();
    this.#waiting.clear();
    this.#events.exited(code);
  }
}
