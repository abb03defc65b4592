/** Times in what clients send to the control API. Main thread. */
import { parseTime } from "#core/time-text.ts";
import { reject } from "./problems.ts";

/** Milliseconds since 1970 of a time of RFC 3339; `where` names the member, `query:from` say. Refuses everything else. */
export function timeOf(text: string, where: string): number {
  const ms = parseTime(text);
  if (ms !== null && ms >= 0) return ms;
  return reject("malformed_request", where, `Expected a time of RFC 3339 from 1970 on, got "${text}"`);
}
