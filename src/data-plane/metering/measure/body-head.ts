/** What a message's head says of its body. Worker thread, pure. `headers` are names and values in turn. */
import type { BodyHead } from "./reader-for.ts";

export function bodyHead(headers: readonly string[]): BodyHead {
  const [contentType] = allOf(headers, "content-type");
  const codings = allOf(headers, "content-encoding");
  return { contentType, contentEncoding: codings.length === 0 ? undefined : codings.join(",") };
}

/** Values of a field, whose name is in lower case. */
export function allOf(headers: readonly string[], wanted: string): readonly string[] {
  const found: string[] = [];
  for (let i = 0; i < headers.length; i += 2) {
    if (headers[i]?.toLowerCase() === wanted) found.push(headers[i + 1] ?? "");
  }
  return found;
}
