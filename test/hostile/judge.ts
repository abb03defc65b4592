/**
 * Judges the bytes that were forwarded on one upstream connection. Malformed: they are not what RFC 9112 lets a sender write.
 * Ambiguous: readers of the field would not agree on how many messages there are, on their method, target, host, body, or on the fields
 * by which an app knows its caller. Imports nothing of the gateway.
 */
import { DIALECTS } from "./readers/dialects.ts";
import { readLeniently } from "./readers/lenient.ts";
import type { Message, Reading } from "./readers/reading.ts";
import { readStrictly, type StrictMessage } from "./readers/strict.ts";

export interface Verdict {
  readonly kind: "clear" | "malformed" | "ambiguous";
  /** In words; empty when clear. */
  readonly why: string;
  /** What the strict reader sees. */
  readonly messages: readonly StrictMessage[];
}

export function judge(text: string): Verdict {
  const strict = readStrictly(text);
  const { messages, fault } = strict;
  if (fault !== null) return { kind: "malformed", why: fault, messages };
  for (const dialect of DIALECTS) {
    const difference = differenceOf(strict, readLeniently(text, dialect));
    if (difference !== null) return { kind: "ambiguous", why: `${dialect.name}: ${difference}`, messages };
  }
  return { kind: "clear", why: "", messages };
}

const ASPECTS = ["method", "target", "host", "body", "marks", "whole"] as const;

/** What one of them sees and the other does not; null: nothing. */
export function differenceOf(one: Reading, other: Reading): string | null {
  if (one.messages.length !== other.messages.length)
    return `${one.messages.length} or ${other.messages.length} messages`;
  if (one.fault !== other.fault) return `${one.fault ?? "no fault"} or ${other.fault ?? "no fault"}`;
  for (const [index, message] of one.messages.entries()) {
    const aspect = ASPECTS.find((name) => message[name] !== other.messages[index]?.[name]);
    if (aspect !== undefined)
      return `message ${index}: ${shown(message, aspect)} or ${shown(other.messages[index], aspect)}`;
  }
  return null;
}

function shown(message: Message | undefined, aspect: (typeof ASPECTS)[number]): string {
  return `${aspect} ${JSON.stringify(message?.[aspect])?.slice(0, 120)}`;
}
