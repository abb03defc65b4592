/** The `Date` line, written once a second (RFC 9110 §6.6.1). Worker thread. */
import { flat } from "#data-plane/wire/http1/writer.ts";

let second = -1;
let line = "";

export function dateLine(nowMs: number): string {
  const now = Math.floor(nowMs / 1000);
  if (now !== second) {
    second = now;
    line = flat(`Date: ${new Date(now * 1000).toUTCString()}\r\n`);
  }
  return line;
}
