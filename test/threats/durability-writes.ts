/**
 * L05, L10: writes that are cut short, interrupted or lied about, and syncs that take long, made with strace on a gateway that
 * runs. A true short write needs more: the limit of the process on the size of its files cuts it, and is lifted before the rest.
 */
import { execFileSync } from "node:child_process";
import { readdirSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import { until } from "#test/support/until.ts";
import { journaledIds, lastRunFiles } from "../durability/journal.ts";
import { CONNECTIONS, expectExact, Outage } from "../durability/outage.ts";
import { Site } from "../durability/site.ts";
import { Strace } from "../durability/strace.ts";
import type { LoneRow } from "./runner.ts";

const TIMEOUT_MS = 60_000;
const BUSY_MACHINE_MS = 20_000;
/** How long a sync takes in L10, and the rest of a short write in L05. */
const SLOW_MS = 1000;
const INTERRUPTIONS = 50;

export const DURABILITY_WRITES: readonly LoneRow[] = [
  {
    id: "L05",
    class: "durability",
    name: "a write that is interrupted is made again, one cut short is completed, one that cannot be made now is refused",
    needs: "strace",
    timeoutMs: TIMEOUT_MS,
    proof: async () => {
      await using outage = await Outage.open();
      await interrupt(outage);
      await completeShortWrite(outage);
      await refuseAgain(outage);
    },
  },
  {
    id: "L05",
    class: "durability",
    name: "a write that lost its first bytes unseen is found by its checksum: what is whole before it counts, the rest is kept aside",
    needs: "strace",
    timeoutMs: TIMEOUT_MS,
    proof: findLie,
  },
  {
    id: "L10",
    class: "durability",
    name: `syncs that take ${SLOW_MS} ms hold up no request, and do not pile up`,
    needs: "strace",
    timeoutMs: TIMEOUT_MS,
    proof: syncSlowly,
  },
];

async function interrupt(outage: Outage): Promise<void> {
  const load = await outage.load();
  // An end of their own: a call that is being interrupted while strace lets go returns ENOSYS.
  const last = 2 * INTERRUPTIONS - 1;
  await using strace = await outage.breakJournal({ calls: "write", effect: `error=EINTR:when=1..${last}+2` });
  await until("all interruptions", () => strace.injected === INTERRUPTIONS, BUSY_MACHINE_MS);
  await outage.served(load, 20);
  await strace.detach();
  await outage.healed(load);
  expect(load.refused.size).toBe(0);
  await expectExact(outage);
}

/** The kernel takes 20 bytes; the rest finds room again. */
async function completeShortWrite(outage: Outage): Promise<void> {
  const { gateway, site } = outage;
  const segment = lastSegment(site.dir);
  const limit = statSync(segment).size + 20;
  await using _strace = await outage.breakJournal({ calls: "write", effect: `delay_enter=${SLOW_MS * 1000}:when=2` });
  limitFiles(gateway.pid, limit);
  const load = await site.load(gateway, "short", () => "/fast", 1);
  await until("the first part is written", () => statSync(segment).size === limit, BUSY_MACHINE_MS, 1);
  limitFiles(gateway.pid, "unlimited");
  await until("an answer", () => load.complete.size > 0, BUSY_MACHINE_MS, 1);
  await load.stop();
  outage.remember(load);
  expect(load.refused.size).toBe(0);
  expect(lastSegment(site.dir)).toBe(segment);
  await expectExact(outage);
}

async function refuseAgain(outage: Outage): Promise<void> {
  const load = await outage.load();
  await using strace = await outage.breakJournal({ calls: "write", effect: "error=EAGAIN:when=3" });
  await outage.refused(load, 1);
  await outage.healed(load);
  expect(strace.injected).toBe(1);
  await expectExact(outage);
}

/** strace says "3 bytes written" and nothing was: the record stands there without its head. */
async function findLie(): Promise<void> {
  await using outage = await Outage.open();
  const { site } = outage;
  await using strace = await outage.breakJournal({ calls: "write", effect: "retval=3:when=2" });
  const load = await site.load(outage.gateway, "lied", () => "/fast", 1);
  await until("some answers", () => load.complete.size > 5, BUSY_MACHINE_MS);
  await load.stop();
  expect(strace.injected).toBe(1);
  await strace.detach();
  expect(journaledIds(site.dir)).toEqual(["lied-0-1"]);
  expect((await site.read(outage.gateway)).ledger).toBe(1);
  expect(outage.gateway.logs().filter(({ event }) => event === "journal-unreadable").length).toBe(1);
  await outage.crash();
  expect(await site.read(outage.gateway)).toEqual({ ledger: 1, counter: 1 });
  expect(outage.gateway.logs().filter(({ event }) => event === "journal-tail-cut").length).toBe(1);
  expect(readdirSync(join(site.dir, "data", "journal")).filter((name) => name.endsWith(".torn")).length).toBe(1);
}

async function syncSlowly(): Promise<void> {
  await using site = await Site.open({ workers: 1, metering: { durability: "disk" } });
  await using gateway = await site.start();
  const warm = await site.load(gateway, "warm", () => "/fast", CONNECTIONS);
  await until("some answers", () => warm.complete.size > 200, BUSY_MACHINE_MS);
  await warm.stop();
  await using strace = await Strace.attach(
    gateway.pid,
    [],
    [{ calls: "fsync,fdatasync", effect: `delay_enter=${SLOW_MS * 1000}` }],
  );
  const load = await site.load(gateway, "slow", () => "/fast", CONNECTIONS);
  const began = performance.now();
  await sleep(3 * SLOW_MS);
  await load.stop();
  const rounds = Math.ceil((performance.now() - began) / SLOW_MS) + 1;
  const syncs = (call: string, file: string) =>
    strace.lines.filter((line) => line.includes(` ${call}(`) && line.includes(file)).length;
  expect(syncs("fsync", "tollgate.db-wal")).toBeGreaterThan(0);
  const journalSyncs = syncs("fdatasync", ".journal");
  expect(journalSyncs).toBeGreaterThan(1);
  // One at a time.
  expect(journalSyncs).toBeLessThanOrEqual(rounds);
  const sorted = load.latenciesMs.toSorted((one, other) => one - other);
  const at = (share: number) => Math.round(sorted[Math.floor(sorted.length * share)] ?? Number.NaN);
  process.stdout.write(`${sorted.length} requests, p50 ${at(0.5)} ms, p99 ${at(0.99)} ms, max ${at(0.99999)} ms\n`);
  expect(at(0.99)).toBeLessThan(SLOW_MS / 4);
  expect(sorted.at(-1)).toBeLessThan(SLOW_MS);
  expect(load.refused.size).toBe(0);
}

function lastSegment(gatewayDir: string): string {
  return lastRunFiles(gatewayDir).toSorted().at(-1) ?? "";
}

/** As in `test/durability/disk-full.test.ts`. */
function limitFiles(pid: number, bytes: number | "unlimited"): void {
  execFileSync("prlimit", ["--pid", String(pid), `--fsize=${bytes}:`]);
}
