/**
 * L04: disks that are full or break, made with strace on the journal and on the store of a gateway that runs. With
 * TOLLGATE_LONG=1 (CI) every kind of error is tried, otherwise some; the seed of the choice is printed, TOLLGATE_SEED repeats it.
 */
import { expect } from "vitest";
import { type Random, seededRandom } from "#test/support/random.ts";
import { until } from "#test/support/until.ts";
import { journaledIds } from "../durability/journal.ts";
import { CONNECTIONS, expectExact, expectRefusal, Outage } from "../durability/outage.ts";
import type { Injection } from "../durability/strace.ts";
import type { LoneRow } from "./runner.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const ERRORS = ["ENOSPC", "EIO", "EDQUOT"] as const;
const TIMEOUT_MS = 120_000;
const BUSY_MACHINE_MS = 20_000;

export const DURABILITY_ERRORS: readonly LoneRow[] = [
  {
    id: "L04",
    class: "durability",
    name: "a journal that cannot be written: 503, or unmetered if the file says so, and back by itself with nothing lost",
    needs: "strace",
    timeoutMs: TIMEOUT_MS,
    proof: async () => {
      const random = seededRandom("journal errors");
      await using outage = await Outage.open();
      for (const error of LONG ? ERRORS : [random.pick(ERRORS)]) await refuseDuring(outage, error);
      for (const error of LONG ? ERRORS : []) await refuseAfterOne(outage, error, random);
      await serveDuring(outage, random.pick(ERRORS));
    },
  },
  {
    id: "L04",
    class: "durability",
    name: "a journal that cannot be synced: that segment is given up, and nothing is lost while the process lives",
    needs: "strace",
    timeoutMs: TIMEOUT_MS,
    proof: giveUpUnsynced,
  },
  {
    id: "L04",
    class: "durability",
    name: "a store that cannot be written or synced: requests are served, and the ledger makes up for it, once",
    needs: "strace",
    timeoutMs: TIMEOUT_MS,
    proof: async () => {
      const random = seededRandom("store errors");
      await using outage = await Outage.open();
      const faults = [
        { calls: "pwrite64", effect: `error=${random.pick(ERRORS)}` },
        { calls: "pwrite64", effect: `error=${random.pick(ERRORS)}:when=${random.between(1, 6)}` },
        { calls: "fsync", effect: "error=EIO:when=1" },
      ];
      for (const fault of faults) await serveWithoutStore(outage, fault);
      await crashAfterFailedCommit(outage);
    },
  },
];

/** As long as the journal cannot be written nothing is forwarded, after the first requests that found out. */
async function refuseDuring(outage: Outage, error: string): Promise<void> {
  const load = await outage.load();
  const { upstream } = outage.site;
  await using strace = await outage.breakJournal({ calls: "write", effect: `error=${error}` });
  await outage.refused(load, 100);
  // From the first attempt at a new segment on.
  await outage.failures(1);
  const look = () => ({ served: load.complete.size, forwarded: upstream.count, segments: outage.segments() });
  const before = look();
  await outage.failures(1);
  expect(look()).toEqual(before);
  await expectRefusal(outage);
  await strace.detach();
  await outage.healed(load);
  await expectExact(outage);
}

/** One failed write costs that request, and service for a second. */
async function refuseAfterOne(outage: Outage, error: string, random: Random): Promise<void> {
  const load = await outage.load();
  const fault = { calls: "write", effect: `error=${error}:when=${random.between(1, 9)}` };
  await using strace = await outage.breakJournal(fault);
  await outage.refused(load, 1);
  await outage.healed(load);
  expect(strace.injected).toBe(1);
  await expectExact(outage);
}

async function serveDuring(outage: Outage, error: string): Promise<void> {
  await outage.metering({ "on-journal-failure": "serve" });
  const load = await outage.load();
  await using strace = await outage.breakJournal({ calls: "write", effect: `error=${error}` });
  await outage.served(load, 100);
  await strace.detach();
  const journaled = journaledIds(outage.site.dir).length;
  await until("metering is back", () => journaledIds(outage.site.dir).length > journaled, BUSY_MACHINE_MS, 20);
  await outage.healed(load);
  expect(load.refused.size).toBe(0);
  const unmetered = outage.unmetered();
  expect(unmetered).toBeGreaterThan(50);
  await expectExact(outage, unmetered);
}

/** What a failed sync leaves on the disk nobody knows: such a segment gets no more records (fsyncgate). */
async function giveUpUnsynced(): Promise<void> {
  await using outage = await Outage.open({ metering: { durability: "disk" } });
  const load = await outage.load();
  await using strace = await outage.breakJournal(
    { calls: "fdatasync", effect: "error=EIO" },
    { calls: "write", effect: null },
  );
  await outage.failures(2);
  await outage.refused(load, 1);
  await strace.detach();
  await outage.healed(load);
  const after = writesAfterFailure(strace.lines);
  expect(after.size).toBeGreaterThan(1);
  // The worker hears of the failure in its next turn; what one turn writes is one record a connection.
  expect(Math.max(...after.values())).toBeLessThanOrEqual(CONNECTIONS);
  expect(outage.openSegments()).toBe(1);
  await expectExact(outage);
}

/** Writes to each segment behind its first failed sync. */
function writesAfterFailure(lines: readonly string[]): ReadonlyMap<string, number> {
  const failed = new Map<string, number>();
  /** Segment of the sync that a thread has not come back from. */
  const under = new Map<string, string>();
  for (const line of lines) {
    const [thread = ""] = line.split(" ", 1);
    const file = /\w+\(\d+<([^>]*)>/.exec(line)?.[1];
    if (file !== undefined && line.includes(" write(")) {
      const count = failed.get(file);
      if (count !== undefined) failed.set(file, count + 1);
    }
    if (!line.includes("fdatasync")) continue;
    if (file !== undefined) under.set(thread, file);
    const of = under.get(thread);
    if (line.includes("= -1 EIO") && of !== undefined && !failed.has(of)) failed.set(of, 0);
  }
  return failed;
}

/** The journal holds the usage meanwhile; that the ledger cannot be brought up to date, only who asks it is told. */
async function serveWithoutStore(outage: Outage, fault: Injection): Promise<void> {
  const load = await outage.load();
  await using strace = await outage.breakStore(fault);
  const read = () => outage.site.read(outage.gateway);
  if (/:when/.test(fault.effect ?? "")) {
    await until("the fault", () => strace.injected > 0 || read().catch(() => false), BUSY_MACHINE_MS);
  } else {
    await expect(read()).rejects.toThrow("answered 500");
  }
  await outage.served(load, 50);
  await strace.detach();
  await outage.healed(load);
  expect(load.refused.size).toBe(0);
  await expectExact(outage);
}

/** The log of the store may hold the transaction whose commit failed: whether it counts or not, its charges count once. */
async function crashAfterFailedCommit(outage: Outage): Promise<void> {
  const load = await outage.load();
  await using strace = await outage.breakStore({ calls: "fsync", effect: "error=EIO" });
  await load.stop();
  outage.remember(load);
  await expect(outage.site.read(outage.gateway)).rejects.toThrow("answered 500");
  expect(strace.injected).toBeGreaterThan(0);
  await outage.crash();
  await expectExact(outage);
}
