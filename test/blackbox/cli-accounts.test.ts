/** Commands for accounts, while the gateway runs and when it does not: lists, plans for a time, deletion, many at once. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { stringify } from "yaml";
import { runCli } from "#test/support/cli.ts";
import { rows, sceneConfig, startScene, text } from "#test/support/scene.ts";

const config = { plans: { free: { default: true }, pro: {} } };
const scene = await startScene({ config });
const idleDir = mkdtempSync(join(tmpdir(), "tollgate-cli-"));
const idleFile = join(idleDir, "gateway.yaml");
writeFileSync(idleFile, stringify({ version: 1, ...sceneConfig("http://127.0.0.1:9"), ...config }));

afterAll(async () => {
  await scene[Symbol.asyncDispose]();
  rmSync(idleDir, { recursive: true, force: true });
});

const PLACES = [
  ["while the gateway runs", scene.gateway.file],
  ["without a gateway", idleFile],
] as const;

describe.each(PLACES)("%s", (_place, file) => {
  const run = (...args: readonly string[]) => runCli([...args, "-c", file]);
  const json = async (...args: readonly string[]) => {
    const result = await run(...args, "--json");
    expect([args, result.code, result.stderr]).toEqual([args, 0, ""]);
    return result.json();
  };

  test("accounts are searched, sorted and counted", async () => {
    await json("accounts", "create", "--name", "Zoe", "--email", "zoe@x.example", "--plan", "pro");
    await json("accounts", "create", "--name", "Amy", "--email", "amy@x.example");
    const page = await json("accounts", "list", "--search", "X.EXAMPLE", "--sort", "name", "--count");
    expect(rows(page, "data").map(({ name }) => name)).toEqual(["Amy", "Zoe"]);
    expect(page.total).toBe(2);
    const first = await run("accounts", "list", "--search", "x.example", "--sort", "-name", "--limit", "1");
    expect(first.stdout).toContain("zoe@x.example");
    const cursor = /--cursor (\S+)/.exec(first.stdout)?.[1] ?? "";
    const second = await json("accounts", "list", "--search", "x.example", "--sort", "-name", "--cursor", cursor);
    expect(rows(second, "data").map(({ name }) => name)).toEqual(["Amy"]);
    expect(rows(await json("accounts", "list", "--plan", "pro"), "data")).toMatchObject([{ name: "Zoe" }]);
    expect(await run("accounts", "list", "--sort", "shoe size")).toMatchObject({ code: 1 });
  });

  test("a plan is given for a time, a trial extended, an account suspended with a reason, deleted and restored", async () => {
    const id = text(await json("accounts", "create", "--name", "Life"), "id");
    const planned = await json("accounts", "set-plan", id, "pro", "--for", "30d", "--then", "free");
    expect(planned).toMatchObject({ plan: "pro", planAfter: "free", planUntil: expect.any(String) });
    expect(await json("accounts", "set-plan", id, "pro")).toMatchObject({ plan: "pro", planUntil: null });
    expect(await json("accounts", "extend-trial", id, "14d")).toMatchObject({ trialUntil: expect.any(String) });
    expect(await json("accounts", "suspend", id, "--reason", "Unpaid")).toMatchObject({ state: "suspended" });
    expect(await json("accounts", "activate", id)).toMatchObject({ state: "active" });
    expect(await json("accounts", "delete", id)).toMatchObject({ state: "deleted" });
    expect((await run("accounts", "suspend", id)).stderr).toContain("deleted");
    expect(await json("accounts", "restore", id)).toMatchObject({ state: "active" });
    expect(await json("accounts", "show", id)).toMatchObject({ currentPlan: "pro", counts: { keys: 0 } });
  });

  test("many are changed only when it is asked for", async () => {
    for (const name of ["bulk one", "bulk two"]) await json("accounts", "create", "--name", name);
    const wish = ["accounts", "bulk", "suspend", "--search", "bulk "] as const;
    expect(await json(...wish)).toMatchObject({ matched: 2, changed: 2, dryRun: true });
    expect((await run(...wish)).stdout).toContain("--apply");
    expect(rows(await json("accounts", "list", "--state", "suspended"), "data")).toHaveLength(0);
    expect(await json(...wish, "--apply", "--reason", "Test")).toMatchObject({ matched: 2, changed: 2, dryRun: false });
    expect(rows(await json("accounts", "list", "--state", "suspended"), "data")).toHaveLength(2);
    const plan = ["accounts", "bulk", "set-plan", "--state", "suspended", "--plan", "pro", "--for", "1d", "--apply"];
    expect(await json(...plan)).toMatchObject({ changed: 2 });
    expect((await run("accounts", "bulk", "suspend")).stderr).toContain("--all");
    expect((await run("accounts", "bulk", "explode", "--all")).code).toBe(1);
    expect((await run("accounts", "bulk", "grant-credits", "--all", "--amount", "x")).code).toBe(1);
  });

  test("accounts and users come from files, and a key is made, rotated and revoked", async () => {
    const write = (name: string, lines: string) => {
      writeFileSync(join(idleDir, name), lines);
      return join(idleDir, name);
    };
    const accounts = write("accounts.csv", "external_id,name,plan\ncsv-1,One,pro\ncsv-2,Two,\n");
    expect(await json("accounts", "import", accounts, "--dry-run")).toMatchObject({ dryRun: true, created: 2 });
    expect(await json("accounts", "import", accounts)).toMatchObject({ dryRun: false, created: 2 });
    expect(await json("accounts", "show", "csv-1")).toMatchObject({ name: "One", currentPlan: "pro" });
    const users = write("users.csv", "external_id,account,roles\ncsv-u,csv-1,Admin\n");
    expect(await json("users", "import", users)).toMatchObject({ created: 1 });
    expect(await json("users", "show", "csv-u")).toMatchObject({ members: [{ roles: ["Admin"] }] });
    const broken = await run("accounts", "import", write("broken.csv", "external_id,plan\ncsv-3,free\ncsv-4,gold\n"));
    expect([broken.code, broken.stderr]).toEqual([1, expect.stringContaining("row 3, plan")]);
    expect((await run("accounts", "show", "csv-3")).code).toBe(1);
    const made = await json("keys", "create", "--account", "csv-1", "--role", "Admin", "--expires", "30d");
    const rotated = await json("keys", "rotate", text(made, "id"), "--overlap", "1h");
    expect(rotated).toMatchObject({ id: made.id, key: expect.stringMatching(/^tg_sk_live_/), oldSecrets: [{}] });
    expect(rotated.key).not.toBe(made.key);
    expect(await json("keys", "revoke", text(made, "id"))).toMatchObject({ id: made.id, state: "revoked" });
    expect(rows(await json("keys", "list", "--account", "csv-1", "--state", "active"), "data")).toEqual([]);
    expect(await run("keys", "revoke", "key_none", "--json")).toMatchObject({ code: 1 });
    expect(await run("keys", "create")).toMatchObject({ code: 2 });
  });

  test("many users are changed only when it is asked for", async () => {
    await json("users", "create", "crew-1");
    const wish = ["users", "bulk", "suspend", "--search", "crew-", "--user", "crew-1"] as const;
    expect((await run(...wish)).stdout).toContain("1 users match, 1 would change (--apply does it)");
    expect(await json(...wish, "--apply", "--reason", "Test")).toMatchObject({ matched: 1, changed: 1, dryRun: false });
    expect(await json("users", "bulk", "activate", "--state", "suspended")).toMatchObject({ matched: 1, dryRun: true });
    expect((await run("users", "bulk", "delete")).stderr).toContain("Say which users");
  });

  test("stats tell of all", async () => {
    const answer = await run("stats");
    expect([answer.code, answer.stderr]).toEqual([0, ""]);
    expect(answer.stdout).toMatch(/Accounts: total \d+, active \d+/);
    expect(answer.stdout).toMatch(/^pro +\d+ +0$/m);
  });
});

test("what a name says to a terminal is shown and not done", async () => {
  const name = "\u001b[2Jred\u009b1m\nsecond line";
  const account = await scene.operator.account({ name });
  await scene.operator.call("POST", "/admin/keys", { account, name: "\u001b]0;title\u0007" });
  for (const args of [
    ["accounts", "list", "--search", "red"],
    ["accounts", "show", account, "--json"],
    ["keys", "list", "--account", account],
  ]) {
    const { stdout, code } = await scene.gateway.cli(...args);
    expect([args, code, /\p{Cc}/u.exec(stdout.replaceAll("\n", ""))?.[0]]).toEqual([args, 0, undefined]);
    expect(stdout).not.toContain("\nsecond");
    expect(stdout).toContain("\\u001b");
  }
});
