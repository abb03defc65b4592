/**
 * Questions to the control plane and their answers, over the worker's message port. Worker thread.
 * The only place of the request path that waits for the main thread: first sight of a caller, one question for all who ask the same.
 */
import type { Answer, FromWorker, Question } from "#shared/messages.ts";

/** Longest wait for an answer before the request is refused with 503. */
const ANSWER_TIMEOUT_MS = 10_000;

/** The control plane failed, or took too long: nothing can be said of the caller, and it is no fault of theirs. */
export class NoAnswerError extends Error {}

interface Waiting {
  readonly resolve: (answer: Answer) => void;
  readonly reject: (error: Error) => void;
  readonly timer: NodeJS.Timeout;
}

export class ControlLink {
  readonly #post: (message: FromWorker) => void;
  readonly #waiting = new Map<number, Waiting>();
  readonly #underWay = new Map<string, Promise<Answer>>();
  #nextId = 1;

  constructor(post: (message: FromWorker) => void) {
    this.#post = post;
  }

  /** Rejects with `NoAnswerError` when the control plane fails or takes longer than 10 s. */
  ask(question: Question): Promise<Answer> {
    const id = JSON.stringify(question);
    const same = this.#underWay.get(id);
    if (same !== undefined) return same;
    const answer = this.#send(question).finally(() => this.#underWay.delete(id));
    this.#underWay.set(id, answer);
    return answer;
  }

  /** A change overtook the questions under way: who asks from now on asks anew. */
  forgetUnderWay(): void {
    this.#underWay.clear();
  }

  #send(question: Question): Promise<Answer> {
    const id = this.#nextId++;
    const { promise, resolve, reject } = Promise.withResolvers<Answer>();
    const timer = setTimeout(() => this.#settle(id, null), ANSWER_TIMEOUT_MS);
    this.#waiting.set(id, { resolve, reject, timer });
    this.#post({ type: "ask", id, question });
    return promise;
  }

  answered(id: number, answer: Answer): void {
    this.#settle(id, answer);
  }

  failed(id: number): void {
    this.#settle(id, null);
  }

  #settle(id: number, answer: Answer | null): void {
    const waiting = this.#waiting.get(id);
    if (waiting === undefined) return;
    this.#waiting.delete(id);
    clearTimeout(waiting.timer);
    if (answer === null) waiting.reject(new NoAnswerError("The control plane did not answer"));
    else waiting.resolve(answer);
  }
}
