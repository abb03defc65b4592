/** The head of an answer as undici gives it: texts of its lines, and the length it says. Worker thread, pure. */
import type { Dispatcher } from "undici";
import { isEventStream } from "#data-plane/wire/event-stream.ts";

/** undici gives header lines as buffers, names and values in turn. */
export function headerTexts(raw: Dispatcher.DispatchController["rawHeaders"]): readonly string[] {
  return Array.isArray(raw) ? raw.map((item) => (typeof item === "string" ? item : item.toString("latin1"))) : [];
}

export function pairsOf(raw: readonly string[]): [string, string][] {
  return Array.from({ length: raw.length / 2 }, (_, at): [string, string] => [
    raw[2 * at] ?? "",
    raw[2 * at + 1] ?? "",
  ]);
}

/** Bytes the answer says it has; null where it does not say. */
export function lengthOf(raw: readonly string[]): number | null {
  const at = raw.findIndex((text, index) => index % 2 === 0 && text.toLowerCase() === "content-length");
  return at === -1 ? null : Number(raw[at + 1]);
}

export function saysEventStream(raw: readonly string[]): boolean {
  return raw.some(
    (text, index) => index % 2 === 0 && text.toLowerCase() === "content-type" && isEventStream(raw[index + 1] ?? ""),
  );
}
