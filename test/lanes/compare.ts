/** Whether two lanes were seen to do the same, but for what is allowed. */
import { isDeepStrictEqual } from "node:util";
import type { Observation } from "./observation.ts";
import type { Seen } from "./play.ts";

/** `auto` and `full`. */
export function isSame([auto, full]: readonly Seen[]): boolean {
  if (auto === undefined || full === undefined) return false;
  return isSameObservation(auto.before, full.before) && isSameObservation(auto.after, full.after);
}

export function isSameObservation(auto: Observation, full: Observation): boolean {
  return isDeepStrictEqual(
    { ...auto, answers: auto.answers.map((answer, index) => vaguer(answer, full.answers[index])) },
    full,
  );
}

/**
 * Whether the fast lane only refuses more: both did the same up to where it says 400 and closes. Our reader is stricter than node's
 * parser, for instance with several spaces in a request line, bare line feeds between requests, or lengths of chunks beyond 2^53.
 */
export function isStricter([auto, full]: readonly Seen[]): boolean {
  if (auto === undefined || full === undefined) return false;
  const { answers, forwarded, closed } = auto.after;
  const before = answers.slice(0, -1);
  const isRefused = closed && SYNTAX_OR_HEAD.test(answers.at(-1) ?? "");
  const isPrefix = isDeepStrictEqual(before, full.after.answers.slice(0, before.length));
  return isRefused && isPrefix && isDeepStrictEqual(forwarded, full.after.forwarded.slice(0, forwarded.length));
}

const SYNTAX_OR_HEAD =
  /^4(?:00|31) [^]*Connection: close[^]*(?:"rule":"(?:http:syntax|header:count)"|\n\n(?:\n\(not whole\))?$)/;
const SYNTAX = /^400 [^]*"rule":"http:syntax"/;
const REFUSED = /^400 [^]*Connection: close[^]*(?:"error":"malformed_request"|\n\n(?:\n\(not whole\))?$)/;
const TOO_LARGE = /^4(?:13|31) [^]*Connection: close/;

/**
 * What is wrong with a request in several ways is refused for one of them, and node's parser, before the full lane, has its own order
 * and words: the rule is `http:syntax` where the fast lane names one, there is a body for HEAD too, and broken framing is seen before a
 * limit that was passed in the same read. Both refuse, and close.
 */
function vaguer(auto: string, full: string | undefined): string {
  if (full === undefined) return auto;
  if (SYNTAX.test(full) && (REFUSED.test(auto) || TOO_LARGE.test(auto))) return full;
  if (REFUSED.test(full) && (SYNTAX.test(auto) || TOO_LARGE.test(auto))) return full;
  const areTooLarge = TOO_LARGE.test(auto) && TOO_LARGE.test(full) && auto.slice(0, 3) === full.slice(0, 3);
  return areTooLarge ? full : auto;
}
