/** The reviewed lists of what is let through (`accepted/*.txt`): one line each, `LANES MESSAGES ID`, under the reason why that is right. */
import { readFileSync } from "node:fs";
import { join } from "node:path";
import type { Lane } from "#test/support/lanes.ts";

interface Accepted {
  readonly lanes: "both" | Lane;
  /** How many messages of it are forwarded. */
  readonly messages: number;
  readonly id: string;
}

/** Lines `MESSAGES ID`, sorted, of those that this lane is to forward. */
export function acceptedOn(lane: Lane, name: "corpus" | "cases"): readonly string[] {
  const all = readAccepted(readFileSync(join(import.meta.dirname, "accepted", `${name}.txt`), "utf8"));
  const own = all.filter(({ lanes }) => lanes === "both" || lanes === lane);
  return own.map(({ messages, id }) => `${messages} ${id}`).toSorted();
}

/** Every entry must stand under a reason. */
export function readAccepted(text: string): readonly Accepted[] {
  let hasReason = false;
  return text.split("\n").flatMap((line): readonly Accepted[] => {
    if (line.startsWith("#")) hasReason = true;
    if (line === "") hasReason = false;
    if (line === "" || line.startsWith("#")) return [];
    const [, lanes, messages, id] = /^(both|auto|full) ([1-9]) (\S.*)$/.exec(line) ?? [];
    if (id === undefined || !hasReason) throw new Error(`No accepted entry, or no reason above it: ${line}`);
    // The pattern lets no other words through.
    return [{ lanes: lanes as Accepted["lanes"], messages: Number(messages), id }];
  });
}
