/**
 * Power cuts under load: rounds on one disk (`LoopDisk`), each begun on what the cut before left. Judged after each cut:
 * answers older than the window are in the journal, accounts that were acknowledged are in the store, SQLite finds its file
 * whole, and the ledger holds each record once. Every fourth cut comes once more while the gateway starts.
 * The window is the gateway's 20 ms and what the machine takes to get to the sync and through it; what was lost is told.
 */
import { spawn } from "node:child_process";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import SQLite from "better-sqlite3";
import { expect } from "vitest";
import { LoopDisk } from "#test/support/loop-device.ts";
import type { Gateway } from "#test/support/process.ts";
import { type Random, seededRandom } from "#test/support/random.ts";
import { until } from "#test/support/until.ts";
import { journaledIds } from "../durability/journal.ts";
import type { Load } from "../durability/load.ts";
import { Canary } from "./canary.ts";
import { Site } from "./site.ts";
import { Watch } from "./watch.ts";

/** `metering.durability: disk`: so long after its answer a record is on its way to the disk. */
const GROUP_MS = 20;
/** For timers, the sync itself and the cut: three times what a sync was late by at most, and no less than this. */
const SLACK_MS_MIN = 150;
const READY_MS = 20_000;
const LOAD_MS_MAX = 800;
const MAIN = join(import.meta.dirname, "..", "..", "src", "main.ts");

export interface CutsMade {
  readonly rounds: number;
  /** Answers older than the window at their cut: all found again. */
  readonly held: number;
  /** Younger ones that were lost, as they may. */
  readonly lost: number;
  /** Age at the cut of the oldest answer lost in each round, milliseconds. */
  readonly lostAgesMs: readonly number[];
  /** Ends of segments that were torn, and cut off by the next start. */
  readonly torn: number;
}

/** One disk, from cut to cut. */
interface Story {
  readonly site: Site;
  readonly disk: LoopDisk;
  readonly random: Random;
  /** Acknowledged by the admin API. */
  readonly accounts: string[];
  readonly lostAgesMs: number[];
  rounds: number;
  held: number;
  lost: number;
  torn: number;
  /** What the ledger may hold at the next start: all that is in the journal, and at most all that was asked. */
  least: number;
  most: number;
}

/** Cuts the power `roundsMax` times, or as often as fits into `timeMsMax`. */
export async function cutPower(roundsMax: number, timeMsMax: number): Promise<CutsMade> {
  const end = performance.now() + timeMsMax;
  const random = seededRandom("power cuts");
  using disk = LoopDisk.make(256);
  const { site, gateway } = await Site.open(join(disk.dir, "site"));
  await using _site = site;
  await gateway.kill();
  const counts = { rounds: 0, held: 0, lost: 0, torn: 0, least: 0, most: 0 };
  const story: Story = { site, disk, random, accounts: ["media"], lostAgesMs: [], ...counts };
  while (story.rounds < roundsMax && performance.now() < end) await round(story);
  await using last = await site.start();
  await judgeStart(story, last);
  const { rounds, held, lost, lostAgesMs, torn } = story;
  return { rounds, held, lost, lostAgesMs, torn };
}

async function round(story: Story): Promise<void> {
  const { site, disk } = story;
  story.rounds++;
  if (story.rounds % 4 === 0) await cutWhileStarting(story);
  await using gateway = await site.start();
  await judgeStart(story, gateway);
  const before = new Set(journaledIds(site.dir));
  const load = await site.load(gateway, `p${story.rounds}`);
  const watch = new Watch(load);
  const making = makeAccounts(story, gateway, watch);
  const windowMs = await loadUntilCut(story, watch);
  disk.cut();
  await gateway.kill();
  await Promise.all([load.ended(), making]);
  disk.restore();
  judgeDisk(story, load, watch, before, windowMs);
}

/** Returns the window: how old an answer must be at the cut, that comes now, to be on the disk. */
async function loadUntilCut({ disk, random }: Story, watch: Watch): Promise<number> {
  using canary = new Canary(join(disk.dir, "canary"), GROUP_MS);
  const windowMs = () => GROUP_MS + Math.max(SLACK_MS_MIN, 3 * canary.latestMs);
  const hasOld = () => watch.countAt(performance.now() - windowMs()) > 0;
  await until("answers older than the window", hasOld, READY_MS);
  await sleep(random.between(0, LOAD_MS_MAX));
  // The machine may have been held up meanwhile.
  await until("answers older than the window", hasOld, READY_MS);
  watch.stop();
  return windowMs();
}

/** The power goes again while the gateway recovers, wherever it is. */
async function cutWhileStarting({ site, disk, random }: Story): Promise<void> {
  const child = spawn(process.execPath, [MAIN, "start", "-c", join(site.dir, "gateway.yaml")], {
    env: { ...process.env, TMPDIR: site.spare },
    stdio: "ignore",
  });
  const closed = new Promise((resolve) => child.on("close", resolve));
  await sleep(random.between(100, 600));
  disk.cut();
  child.kill("SIGKILL");
  await closed;
  disk.restore();
}

/** Commits to the store all the time, so that a cut falls among them. */
async function makeAccounts({ site, accounts, rounds }: Story, gateway: Gateway, watch: Watch): Promise<void> {
  const admin = site.admin(gateway);
  for (let count = 1; watch.going; count++) {
    const id = `r${rounds}-${count}`;
    const made = admin.call("POST", "/admin/accounts", { name: id, externalId: id }).then(
      () => true,
      () => false,
    );
    // An answer that is seen after the cut may be one of after the cut.
    if ((await made) && watch.going) accounts.push(id);
  }
}

/** What came back from the disk, before anybody mends it. */
function judgeDisk(story: Story, load: Load, watch: Watch, before: ReadonlySet<string>, windowMs: number): void {
  const found = new Set(journaledIds(story.site.dir));
  const delivered = [...load.delivered];
  const durable = delivered.slice(0, watch.countAt(watch.endedAt - windowMs));
  const answered = delivered.slice(0, watch.countAt(watch.endedAt));
  expect(durable.length, "answers older than the window").toBeGreaterThan(0);
  expect(durable.filter((id) => !found.has(id))).toEqual([]);
  expect([...before].filter((id) => !found.has(id))).toEqual([]);
  expect(integrityOf(join(story.site.dir, "data", "tollgate.db"))).toBe("ok");
  const oldestLost = answered.findIndex((id) => !found.has(id));
  if (oldestLost !== -1) story.lostAgesMs.push(Math.round(watch.endedAt - watch.timeOf(oldestLost)));
  story.held += durable.length;
  story.lost += answered.filter((id) => !found.has(id)).length;
  story.least += found.size - before.size;
  story.most += load.sent.size;
}

/** What the gateway makes of it. */
async function judgeStart(story: Story, gateway: Gateway): Promise<void> {
  story.torn += gateway.logs().filter(({ event }) => event === "journal-tail-cut").length;
  const { ledger, counter } = await story.site.read(gateway);
  expect(counter).toBe(ledger);
  expect(ledger).toBeGreaterThanOrEqual(story.least);
  expect(ledger).toBeLessThanOrEqual(story.most);
  // The ledger may know of records whose segment was not on disk yet: they count from now on, once.
  [story.least, story.most] = [ledger, ledger];
  const there = await accountsOf(story.site, gateway);
  expect(story.accounts.filter((id) => !there.has(id))).toEqual([]);
}

async function accountsOf(site: Site, gateway: Gateway): Promise<ReadonlySet<unknown>> {
  const ids = new Set<unknown>();
  for (let cursor = ""; ; ) {
    const page = await site.admin(gateway).call("GET", `/admin/accounts?limit=1000${cursor}`);
    // Lists as docs/endpoints.md describes them.
    for (const { externalId } of page.data as readonly { readonly externalId: unknown }[]) ids.add(externalId);
    if (page.nextCursor === null) return ids;
    cursor = `&cursor=${String(page.nextCursor)}`;
  }
}

/** SQLite's own judgement, with its log played back as the gateway would. */
function integrityOf(file: string): unknown {
  const db = new SQLite(file);
  try {
    return db.pragma("integrity_check", { simple: true });
  } finally {
    db.close();
  }
}
