/** Kills gateways while they change many at once: all of them are changed, or none. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import SQLite from "better-sqlite3";
import { expect } from "vitest";
import { seededRandom } from "#test/support/random.ts";
import { startScene } from "#test/support/scene.ts";

interface CrashedBulk {
  /** Names the seed. */
  readonly name: string;
  /** With `count` of what is deleted; gone in the end. */
  readonly dir: string;
  readonly count: number;
  readonly config: Readonly<Record<string, unknown>>;
  readonly path: string;
  readonly filter: object;
  /** Gives the number that is deleted, once all the others agree with it. `number` counts the rows of `TABLE WHERE …`. */
  deleted(number: (rows: string) => number): number;
}

export async function crashBulkDeletion(bulk: CrashedBulk): Promise<void> {
  const random = seededRandom(bulk.name);
  const wish = { filter: bulk.filter, action: "delete", dryRun: false, expected: bulk.count };
  try {
    for (let round = 0; round < 6; round++) {
      await using site = await startScene({ config: bulk.config, gateway: { dir: bulk.dir } });
      const asked = site.operator.call("POST", bulk.path, wish).catch(() => null);
      await sleep(random.between(5, 400));
      await site.gateway.kill();
      await asked;
      const deleted = deletedOf(bulk);
      expect([0, bulk.count]).toContain(deleted);
      if (deleted === bulk.count) break;
    }
  } finally {
    rmSync(bulk.dir, { recursive: true, force: true });
  }
}

function deletedOf({ dir, deleted }: CrashedBulk): number {
  const db = new SQLite(join(dir, "data", "tollgate.db"), { readonly: true });
  try {
    return deleted((rows) => Number(db.prepare(`SELECT count(*) FROM ${rows}`).pluck().get()));
  } finally {
    db.close();
  }
}
