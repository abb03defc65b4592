/** What the gateway itself says to a client of the fast lane, head and body in one text. Worker thread. */
import { wallMs } from "#core/clock.ts";
import { fieldLines, statusLine } from "#data-plane/wire/http1/writer.ts";
import type { LocalResponse } from "#data-plane/wire/local-response.ts";
import { dateLine } from "#data-plane/wire/date-line.ts";

export interface LocalShape {
  /** Seconds an idle connection is kept, where this one is kept at all. */
  readonly idleSeconds: number;
  /** The answer to HEAD. */
  readonly bodiless: boolean;
  /** The connection ends with it. */
  readonly closes: boolean;
}

export function localText({ status, headers, body }: LocalResponse, shape: LocalShape): string {
  const connection = shape.closes
    ? "Connection: close\r\n"
    : `Connection: keep-alive\r\nKeep-Alive: timeout=${shape.idleSeconds}\r\n`;
  const head = `${statusLine(status)}${fieldLines(headers)}${dateLine(wallMs())}${connection}\r\n`;
  // The body is UTF-8; as latin1 its octets stay what they are.
  return shape.bodiless ? head : head + body.toString("latin1");
}
