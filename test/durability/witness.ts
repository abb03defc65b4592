/**
 * What all loads against one data folder remember together, and the judgement on it: guarantees M1 and M2 by identity.
 * M1: what was delivered is in the journal, what is in the journal reached the upstream, nothing stands there twice.
 * M2: the ledger and the counters hold exactly the journal.
 */
import { expect } from "vitest";
import type { Gateway } from "#test/support/process.ts";
import { journaledIds } from "./journal.ts";
import type { Load } from "./load.ts";
import type { Site } from "./site.ts";

export class Witness {
  readonly sent = new Set<string>();
  readonly delivered = new Set<string>();
  readonly received = new Set<string>();

  add(load: Load): void {
    for (const id of load.sent) this.sent.add(id);
    for (const id of load.delivered) this.delivered.add(id);
  }

  /** Takes over what the upstream has seen since the last time. */
  addReceived(site: Site): void {
    for (const { headers } of site.upstream.requests) this.received.add(headers["x-request-id"] ?? "");
    site.upstream.clear();
  }
}

/** M1. Returns how many requests are metered. Nothing may be under way. */
export function expectM1(site: Site, witness: Witness): number {
  witness.addReceived(site);
  const { sent, delivered, received } = witness;
  const journaled = journaledIds(site.dir);
  const metered = new Set(journaled);
  expect({
    meteredTwice: journaled.length - metered.size,
    deliveredUnmetered: [...delivered.difference(metered)],
    meteredUnsent: [...metered.difference(sent)],
    meteredUnforwarded: [...metered.difference(received)],
  }).toEqual({ meteredTwice: 0, deliveredUnmetered: [], meteredUnsent: [], meteredUnforwarded: [] });
  // The bound, seen from both ends: only what was in flight at an end of the process may be missing.
  const inFlight = sent.size - delivered.size;
  expect(received.size - metered.size).toBeLessThanOrEqual(inFlight);
  expect(metered.size - delivered.size).toBeLessThanOrEqual(inFlight);
  return metered.size;
}

/** M2, looked at twice: each look folds the journal. */
export async function expectLedger(site: Site, gateway: Gateway, metered: number): Promise<void> {
  expect(await site.read(gateway)).toEqual({ ledger: metered, counter: metered });
  expect(await site.read(gateway)).toEqual({ ledger: metered, counter: metered });
}
