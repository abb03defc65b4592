/** A refusal as one client of the fast lane gets it: head and body in one text. Worker thread. */
import type { Refusal } from "#core/errors.ts";
import { wallMs } from "#core/clock.ts";
import { fieldLines, statusLine } from "#data-plane/wire/http1/writer.ts";
import { refusalResponse } from "#data-plane/wire/refusal-response.ts";
import { dateLine } from "#data-plane/wire/date-line.ts";

export interface RefusalShape {
  readonly requestId: string;
  readonly format: "problem" | "plain";
  /** Seconds an idle connection is kept, where this one is kept at all. */
  readonly idleSeconds: number;
  /** The answer to HEAD. */
  readonly bodiless: boolean;
}

export function refusalText(refusal: Refusal, shape: RefusalShape): { readonly status: number; readonly text: string } {
  const { status, headers, body } = refusalResponse(refusal, shape.requestId, shape.format);
  const keeps = refusal.close === true ? "" : `Connection: keep-alive\r\nKeep-Alive: timeout=${shape.idleSeconds}\r\n`;
  const head = `${statusLine(status)}${fieldLines(headers)}${dateLine(wallMs())}${keeps}\r\n`;
  // The body is UTF-8; as latin1 its octets stay what they are.
  return { status, text: shape.bodiless ? head : head + body.toString("latin1") };
}
