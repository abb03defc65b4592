/** Which answers are event streams (WHATWG HTML §9.2), which last for as long as both ends like. Pure. */

const TYPE = /^text\/event-stream[ \t]*(?:;|$)/i;

/** `type`: value of a `Content-Type`. */
export function isEventStream(type: string): boolean {
  return TYPE.test(type);
}
