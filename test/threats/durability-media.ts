/** L03, L06, L11, L12: what power, disks, upgrades and copies can do to usage that is already written down. */
import { expect } from "vitest";
import { hasLoopDisk } from "#test/support/loop-device.ts";
import { copyUnderLoad, damageAfterCopy } from "../durability-media/copies.ts";
import { killMigration, openNewer, startOnOld } from "../durability-media/migration.ts";
import { cutPower } from "../durability-media/power-cut.ts";
import { DAMAGES, damageEveryByte, duplicateSegment, flip } from "../durability-media/segments.ts";
import type { LoneRow } from "./runner.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const CUTS = LONG ? 200 : 2;
/** As many of them as fit: a round is one or two starts, some seconds on a busy machine. */
const CUTS_MS_MAX = 120_000;
const CUTS_MIN = LONG ? 10 : 2;
const BITS = LONG ? [0, 1, 2, 3, 4, 5, 6, 7] : [0, 7];
const TIMEOUT_MS = LONG ? 300_000 : 60_000;

export const DURABILITY_MEDIA: readonly LoneRow[] = [
  {
    id: "L03",
    class: "durability",
    name: "a power cut under load loses no answer older than the window, no acknowledged account and nothing of the ledger",
    timeoutMs: TIMEOUT_MS,
    proof: loseThePower,
  },
  {
    id: "L06",
    class: "durability",
    name: "a segment that is damaged at any of its bytes counts up to there; what is dropped is said and kept",
    timeoutMs: TIMEOUT_MS,
    proof: async () => {
      for (const damage of [...BITS.map(flip), ...Object.values(DAMAGES)])
        expect(await damageEveryByte(damage)).toBeGreaterThan(100);
    },
  },
  {
    id: "L06",
    class: "durability",
    name: "a segment copied under another segment's name counts once, and the copy is said",
    proof: duplicateSegment,
  },
  {
    id: "L06",
    class: "durability",
    name: "a gateway that starts on segments with a bit turned over says which it cut, and goes on from what is whole",
    timeoutMs: TIMEOUT_MS,
    proof: damageAfterCopy,
  },
  {
    id: "L11",
    class: "durability",
    name: "an upgrade of the store killed at any statement leaves the old store or the new one, and the next start opens it",
    timeoutMs: TIMEOUT_MS,
    proof: () => killMigration(LONG ? 1000 : 3),
  },
  {
    id: "L11",
    class: "durability",
    name: "a gateway that starts on the store of an earlier version serves its keys, and its audit log goes on",
    timeoutMs: TIMEOUT_MS,
    proof: startOnOld,
  },
  {
    id: "L11",
    class: "durability",
    name: "a store of a newer version is refused with the reason and left as it is",
    proof: openNewer,
  },
  {
    id: "L12",
    class: "durability",
    name: "a backup taken under load holds the usage of one instant, and a gateway starts on it and goes on",
    timeoutMs: TIMEOUT_MS,
    proof: () => copyUnderLoad(LONG ? 10 : 1),
  },
];

async function loseThePower(): Promise<void> {
  const made = hasLoopDisk("power cuts (L03)") ? await cutPower(CUTS, CUTS_MS_MAX) : null;
  const ages = made?.lostAgesMs.toSorted((one, other) => one - other) ?? [];
  const lost = { medianMs: ages[ages.length >> 1], maxMs: ages.at(-1) };
  process.stdout.write(`power cuts: ${JSON.stringify({ ...made, lostAgesMs: lost })}\n`);
  expect(made?.rounds ?? CUTS_MIN).toBeGreaterThanOrEqual(CUTS_MIN);
}
