/**
 * Backups taken under load, and gateways started on them: a copy holds the usage of one instant, no request of before is
 * missing and none of after is in it. And the journal of after, damaged, on top of a copy: the start says what it drops.
 */
import { cpSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { expect } from "vitest";
import type { CliResult } from "#test/support/cli.ts";
import type { Gateway } from "#test/support/process.ts";
import { seededRandom } from "#test/support/random.ts";
import { until } from "#test/support/until.ts";
import { journaledIds, journalFiles } from "../durability/journal.ts";
import type { Load } from "../durability/load.ts";
import { Site } from "./site.ts";

/** For answers to come, on a machine that does much else. */
const READY_MS = 20_000;

/** A copy and what was known when it was asked for and when it was there. */
interface Copy {
  /** Of gateway.yaml; the copy is the data folder in it. */
  readonly dir: string;
  readonly answeredBefore: ReadonlySet<string>;
  readonly sentAfter: ReadonlySet<string>;
}

/** Takes `count` copies of a gateway under load, starts one on each, and on the original once more. */
export async function copyUnderLoad(count: number): Promise<void> {
  const random = seededRandom("backups under load");
  const { site, gateway } = await Site.open();
  await using _site = site;
  await using _gateway = gateway;
  const load = await site.load(gateway, "b");
  const copies: Copy[] = [];
  for (let number = 1; number <= count; number++) {
    const seen = load.delivered.size;
    await until("more answers", () => load.delivered.size > seen + 50, READY_MS);
    await sleep(random.between(0, 300));
    copies.push(await copyOf(site, gateway, load, `copy-${number}`));
  }
  await load.stop();
  expect([load.refused.size, load.complete.size]).toEqual([0, load.sent.size]);
  expect(await site.read(gateway)).toEqual({ ledger: load.sent.size, counter: load.sent.size });
  for (const copy of copies) await judge(site, copy);
}

async function copyOf(site: Site, gateway: Gateway, load: Load, name: string): Promise<Copy> {
  const dir = join(site.spare, name);
  mkdirSync(dir);
  const answeredBefore = new Set(load.delivered);
  done(await gateway.cli("backup", join(dir, "data"), "--json"));
  return { dir, answeredBefore, sentAfter: new Set(load.sent) };
}

async function judge(site: Site, { dir, answeredBefore, sentAfter }: Copy): Promise<void> {
  const ids = new Set(journaledIds(dir));
  expect([...answeredBefore.difference(ids)], "answered before the backup").toEqual([]);
  expect([...ids.difference(sentAfter)], "sent after it").toEqual([]);
  // Each connection sends one request after the other: an instant cuts off their ends, and makes no holes.
  expect([...ids].filter((id) => !ids.has(before(id)))).toEqual([]);
  await using restored = await site.start("data/tollgate.db", dir);
  expect(await site.read(restored)).toEqual({ ledger: ids.size, counter: ids.size });
  // The pepper came along, and usage goes on from there.
  const load = await site.load(restored, "restored");
  await until("answers", () => load.complete.size > 10, READY_MS);
  await load.stop();
  expect(load.refused.size).toBe(0);
  const units = ids.size + load.complete.size;
  expect(await site.read(restored)).toEqual({ ledger: units, counter: units });
}

/** `b-3-17` → `b-3-16`; the first one is its own. */
function before(id: string): string {
  const [name, connection, count] = id.split("-");
  return `${name}-${connection}-${Math.max(1, Number(count) - 1)}`;
}

/** A copy of a stopped gateway, then usage after it; the segments of that usage, damaged, are put beside the copy's. */
export async function damageAfterCopy(): Promise<void> {
  const random = seededRandom("damaged journal");
  const { site, gateway } = await Site.open();
  await using _site = site;
  expect(await gateway.stop()).toBe(0);
  const dir = join(site.spare, "copy");
  mkdirSync(dir);
  done(await gateway.cli("backup", join(dir, "data")));
  const known = new Set(journalFiles(dir).map((file) => basename(file)));
  const written = await useIt(site);
  const added = journalFiles(site.dir).filter((file) => !known.has(basename(file)));
  for (const file of added) {
    const bytes = readFileSync(file);
    const at = random.between(Math.floor(bytes.length / 4), bytes.length - 1);
    bytes[at] = (bytes[at] ?? 0) ^ (1 << random.between(0, 7));
    cpSync(file, join(dir, "data", "journal", basename(file)));
    writeFileSync(join(dir, "data", "journal", basename(file)), bytes);
  }
  const whole = journaledIds(dir).length;
  expect(whole).toBeGreaterThan(0);
  expect(whole).toBeLessThan(written);
  await using restored = await site.start("data/tollgate.db", dir);
  const said = restored.logs().filter(({ event }) => event === "journal-tail-cut");
  expect(said.map(({ segment }) => segment).sort()).toEqual(added.map((file) => basename(file)).sort());
  expect(await site.read(restored)).toEqual({ ledger: whole, counter: whole });
}

/** Requests on both workers. Returns how many. */
async function useIt(site: Site): Promise<number> {
  await using gateway = await site.start();
  const load = await site.load(gateway, "d");
  await until("answers", () => load.complete.size > 200, READY_MS);
  await load.stop();
  expect(await gateway.stop()).toBe(0);
  return load.complete.size;
}

function done(result: CliResult): void {
  if (result.code !== 0) throw new Error(`The command ended with ${result.code}: ${result.stdout}${result.stderr}`);
}
