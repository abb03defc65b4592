/**
 * The head of an answer as the client gets it, as latin1 text. Worker thread. What passes of an upstream's head is the same text for as
 * long as the upstream repeats that head; only what is each answer's own is written anew.
 */
import { wallMs } from "#core/clock.ts";
import type { Passage } from "#data-plane/exchange.ts";
import { passedHeaders, reasonText } from "#data-plane/upstream/response-headers.ts";
import type { PassedText, ResponseHead } from "#data-plane/wire/http1/response-reader.ts";
import { fieldLines, flat, statusLine } from "#data-plane/wire/http1/writer.ts";
import type { AnswerShape } from "./answer-shape.ts";
import { dateLine } from "#data-plane/wire/date-line.ts";

export function answerText(head: ResponseHead, passage: Passage, shape: AnswerShape): string {
  const limits = passage.limitState.headers();
  const passed = passedText(head, shape, passage.limitState.limited);
  let own = passed.dated ? "" : dateLine(wallMs());
  own += `x-request-id: ${passage.requestId}\r\n`;
  for (let i = 0; i < limits.length; i += 2) own += `${limits[i]}: ${limits[i + 1]}\r\n`;
  return `${passed.text}${own}${connectionText(shape)}\r\n`;
}

/** The target of a head is always the same: it is its connection's. */
function passedText(
  { status, reason, raw, names, memo }: ResponseHead,
  { framing, target }: AnswerShape,
  limited: boolean,
): PassedText {
  const trailers = framing === "chunked";
  const before = memo.passed;
  if (before?.limited === limited && before.trailers === trailers) return before;
  const text =
    statusLine(status, reasonText(reason)) + fieldLines(passedHeaders(raw, status, { trailers, limited, target }));
  memo.passed = { trailers, limited, text: flat(text), dated: names.includes("date") };
  return memo.passed;
}

/** What the gateway says of the connection. */
function connectionText({ framing, keepsAlive, idleSeconds }: AnswerShape): string {
  const coding = framing === "chunked" ? "Transfer-Encoding: chunked\r\n" : "";
  return keepsAlive
    ? `${coding}Connection: keep-alive\r\nKeep-Alive: timeout=${idleSeconds}\r\n`
    : `${coding}Connection: close\r\n`;
}
