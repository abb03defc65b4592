/** Secrets at rest of a real gateway: rotated while it runs and on the command line, carried by a backup, missed when their key is. */
import { existsSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { rows, startScene } from "#test/support/scene.ts";

test("a rotation through the admin API and one through the command line, each dropping the key before", async () => {
  await using scene = await startScene();
  const { gateway, operator } = scene;
  expect((await operator.call("GET", "/admin/secrets")).body).toEqual({ source: "file", data: [] });
  const first = await operator.call("POST", "/admin/secrets/rotate");
  expect(first).toMatchObject({ status: 200, body: { resealed: 0, unreadable: 0, dropped: [] } });
  const file = join(gateway.dir, "data", "sealing-keys");
  const before = readFileSync(file, "utf8");
  const { code, stdout } = await gateway.cli("secrets", "rotate", "--json");
  expect(code).toBe(0);
  expect(JSON.parse(stdout)).toMatchObject({ dropped: [first.body.sealing] });
  expect(readFileSync(file, "utf8")).not.toBe(before);
  const listed = await gateway.cli("secrets", "list");
  expect(listed.stdout).toContain(String(JSON.parse(stdout).sealing));
  expect(listed.stdout + stdout + gateway.output()).not.toContain(readFileSync(file, "utf8").trim());
  expect(rows((await operator.call("GET", "/admin/secrets")).body, "data")).toHaveLength(1);
  const copy = join(gateway.dir, "copy");
  expect((await gateway.cli("backup", copy)).code).toBe(0);
  expect(existsSync(join(copy, "sealing-keys"))).toBe(true);
  rmSync(copy, { recursive: true });
});
