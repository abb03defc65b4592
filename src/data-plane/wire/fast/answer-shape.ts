/** How an answer goes out to the client: what says where its body ends, and what becomes of the connection. Worker thread, pure. */
import type { Origin } from "#data-plane/upstream/location.ts";
import type { ResponseHead } from "#data-plane/wire/http1/response-reader.ts";

/** How the client is told where the body ends. */
export type AnswerFraming =
  /** By what the upstream's own head says, or there is no body. */
  | "as-is"
  | "chunked"
  /** The connection ends with it: for clients of HTTP/1.0. */
  | "close";

export interface AnswerShape {
  readonly framing: AnswerFraming;
  readonly keepsAlive: boolean;
  /** Seconds an idle connection of the client is kept. */
  readonly idleSeconds: number;
  readonly target: Origin;
}

/** What is the same for all answers to one request. */
export interface AnswerCircumstances {
  readonly httpVersion: string;
  readonly mayKeep: boolean;
  readonly idleSeconds: number;
  readonly target: Origin;
}

/** `bodiless`: the answer has no body, whatever its head says. */
export function shapeOf(head: ResponseHead, bodiless: boolean, circumstances: AnswerCircumstances): AnswerShape {
  const { httpVersion, mayKeep, idleSeconds, target } = circumstances;
  const isNew = httpVersion === "1.1";
  // Older clients keep a connection only behind an answer that says how long it is.
  const isTold = isNew || (head.framing.kind === "length" && head.status !== 204);
  if (bodiless || head.framing.kind === "length")
    return { framing: "as-is", keepsAlive: mayKeep && isTold, idleSeconds, target };
  if (isNew) return { framing: "chunked", keepsAlive: mayKeep, idleSeconds, target };
  return { framing: "close", keepsAlive: false, idleSeconds, target };
}

/** Bytes of the body that are to come; null: none, or their end says so. */
export function bytesOf({ framing }: ResponseHead, bodiless: boolean): number | null {
  return bodiless || framing.kind !== "length" ? null : framing.bytes;
}
