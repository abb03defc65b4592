/** Commands that only read the file, and wrong usage of any command. */
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { stringify } from "yaml";
import { type CliResult, runCli } from "#test/support/cli.ts";
import { rows, sceneConfig } from "#test/support/scene.ts";

const dir = mkdtempSync(join(tmpdir(), "tollgate-cli-"));
const file = join(dir, "gateway.yaml");
const routes = [
  {
    name: "read",
    match: { path: "/models/{id}", methods: ["GET"] },
    upstream: "app",
    require: { permissions: ["models:read"] },
  },
  { name: "delete", match: { path: "/models/{id}", methods: ["DELETE"] }, upstream: "app", auth: "optional" },
];
writeFileSync(file, stringify({ version: 1, ...sceneConfig("http://127.0.0.1:9"), routes }));

afterAll(() => rmSync(dir, { recursive: true, force: true }));

function run(at: string, ...args: readonly string[]): Promise<CliResult> {
  return runCli([...args, "-c", at]);
}

test("a command is over, without a word, where nobody reads on", async () => {
  const main = join(import.meta.dirname, "..", "..", "src", "main.ts");
  const child = spawn("sh", ["-c", `{ "$0" "$1" schema; echo "status $?" >&2; } | head -c 1`, process.execPath, main]);
  let said = "";
  child.stderr.setEncoding("utf8").on("data", (part: string) => (said += part));
  await once(child, "close");
  expect(said).toBe("status 0\n");
});

test("check, routes and schema print what they found, as text and as JSON", async () => {
  expect((await run(file, "check", "--json")).json()).toEqual({ ok: true, file, routes: 2, upstreams: 1, plans: 1 });
  expect(await run(file, "check")).toMatchObject({
    code: 0,
    stdout: `${file} is good: 2 routes, 1 upstreams, 1 plans\n`,
  });
  expect(rows((await run(file, "routes", "--json")).json(), "data").map(({ name }) => name)).toEqual([
    "read",
    "delete",
  ]);
  const table =
    /^NAME .*\nread +GET,HEAD +\/models\/\{id\} +required models:read +app\ndelete +DELETE .* optional +app\n$/;
  expect((await run(file, "routes")).stdout).toMatch(table);
  const schema = await runCli(["schema"]);
  expect([schema.code, schema.json().title]).toEqual([0, "Tollgate gateway.yaml"]);
});

test("check tells every fault with file, line and column, and what was meant", async () => {
  const broken = join(dir, "broken.yaml");
  const lines = ["version: 1", "upstreams:", "  app: { tagets: [http://127.0.0.1:9] }", "routes: 5", "rates: []", ""];
  writeFileSync(broken, lines.join("\n"));
  const { code, stdout, stderr } = await run(broken, "check");
  expect([code, stdout]).toEqual([1, ""]);
  expect(stderr).toContain("targets");
  for (const place of ["3:10", "4:9", "5:8"]) expect(stderr).toContain(`${broken}:${place}: `);
});

test("a file that is not there is a fault", async () => {
  const { code, stderr } = await run(join(dir, "none.yaml"), "check");
  expect([code, stderr]).toEqual([1, expect.stringContaining("none.yaml")]);
});

test.each([
  ["", "Usage: tollgate"],
  ["strat", "strat"],
  ["accounts create", "--name"],
  ["keys revoke", "id"],
  ["check --verbose", "--verbose"],
  ["token --account a --expires soon", "soon"],
])("`tollgate %s` is wrong usage: exit 2, with a hint", async (command, hint) => {
  const { code, stdout, stderr } = await runCli(command === "" ? [] : command.split(" "), { cwd: dir });
  expect([code, stdout]).toEqual([2, ""]);
  expect(stderr).toContain(hint);
});

test("help and version are no fault", async () => {
  const [help, version] = await Promise.all([runCli(["--help"]), runCli(["--version"])]);
  expect([help.code, version.code]).toEqual([0, 0]);
  for (const command of [
    "start",
    "check",
    "explain",
    "routes",
    "schema",
    "accounts",
    "keys",
    "token",
    "usage",
    "reconcile",
  ])
    expect(help.stdout).toContain(command);
  expect(version.stdout).toMatch(/^\d+\.\d+\.\d+\n$/);
});
