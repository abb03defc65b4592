/** A store that cannot be read: callers who are known are served, new ones are asked to come again, and are let in as soon as it can be read. */
import { join } from "node:path";
import Database from "better-sqlite3";
import { afterAll, expect, test } from "vitest";
import { connectionToEach } from "#test/support/connection.ts";
import { startScene } from "#test/support/scene.ts";

const scene = await startScene();
const { gateway, operator } = scene;

afterAll(() => scene[Symbol.asyncDispose]());

test("who cannot be looked up gets 503 and when to come again, not a bug's 500", async () => {
  const [known, stranger] = [await operator.key(), await operator.key()];
  const workers = await connectionToEach(gateway, 2);
  const ask = ({ line }: { readonly line: string }) =>
    Promise.all(workers.map((worker) => worker.ask("GET", "/x", [line])));
  const statuses = async (who: typeof known) => (await ask(who)).map(({ status }) => status);
  expect(await statuses(known)).toEqual([200, 200]);
  const store = new Database(join(gateway.dir, "data", "tollgate.db"));
  store.exec("ALTER TABLE api_keys RENAME TO api_keys_away");
  try {
    expect(await statuses(known)).toEqual([200, 200]);
    for (const answer of await ask(stranger)) {
      expect(answer.status).toBe(503);
      expect(JSON.parse(answer.body.toString())).toMatchObject({
        error: "overloaded",
        rule: "control:silent",
        retry_after: 1,
      });
      expect(answer.header("retry-after")).toBe("1");
    }
  } finally {
    store.exec("ALTER TABLE api_keys_away RENAME TO api_keys");
    store.close();
  }
  expect(await statuses(stranger)).toEqual([200, 200]);
  for (const worker of workers) worker[Symbol.dispose]();
});
