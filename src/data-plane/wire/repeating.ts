/** Which requests may be sent a second time when their connection had gone stale before anything was answered. Worker thread, pure. */

/** Repeating it changes nothing at the app (RFC 9110 §9.2.1), and there is all of it to send again. */
export function mayRepeat(method: string, hasBody: boolean): boolean {
  return !hasBody && (method === "GET" || method === "HEAD" || method === "OPTIONS");
}
