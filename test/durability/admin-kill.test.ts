/**
 * `kill -9` in the midst of a storm of changes by operators: the store opens again, nothing of a change is half done, whatever was
 * answered is there, and the audit log tells it all. 100 rounds with TOLLGATE_LONG=1 (CI), 4 otherwise; on one data folder, so that
 * what a kill leaves is what the next round works on.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as pause } from "node:timers/promises";
import { expect, test } from "vitest";
import { startGateway } from "#test/support/process.ts";
import { seededRandom } from "#test/support/random.ts";
import { ADMIN_TOKEN, operatorOf } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";
import { expectStory } from "./admin-story.ts";
import { type Heard, Storm } from "./admin-storm.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const ROUNDS = LONG ? 100 : 4;
const BUSY_MACHINE_MS = 20_000;

test(`kill -9 while operators change things, ${ROUNDS} rounds: all of a change or nothing of it`, {
  timeout: LONG ? 900_000 : 90_000,
}, async () => {
  const random = seededRandom("kill during changes");
  const dir = mkdtempSync(join(tmpdir(), "tollgate-admin-kill-"));
  const heard: Heard[] = [];
  try {
    for (let round = 1; round <= ROUNDS; round++) {
      await using gateway = await startGateway(CONFIG, { dir });
      const operator = operatorOf(gateway);
      expect((await operator.call("GET", "/admin/audit/verify")).body, `round ${round}`).toMatchObject({ faults: [] });
      await Storm.prepare(operator);
      const storm = new Storm(operator, random);
      storm.start();
      await until("answers", () => storm.heard.length > 20, BUSY_MACHINE_MS, 2);
      await pause(random.between(0, 300));
      await gateway.kill();
      await storm.stop();
      expect(storm.heard.filter(({ status }) => status >= 500)).toEqual([]);
      heard.push(...storm.heard);
      expectStory(dir, heard);
    }
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
});

const CONFIG = {
  server: { workers: 1, adminToken: ADMIN_TOKEN },
  roles: { Admin: ["*"], User: ["models:read"] },
  plans: { free: { default: true }, pro: {} },
  upstreams: {},
  routes: [],
};
