/** Times in what clients send to the control API. Main thread. */
import { parseTime } from "#core/time-text.ts";
import { refuseBy } from "./problems.ts";

/** Milliseconds since 1970 of a time of RFC 3339. Refuses everything else by this rule, with the path of the member. */
export function timeOf(text: string, rule: string, path: string): number {
  const ms = parseTime(text);
  if (ms !== null && ms >= 0) return ms;
  return refuseBy(rule, path, `Expected a time of RFC 3339 from 1970 on, got "${text}"`);
}
