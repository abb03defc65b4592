/**
 * `tollgate backup` as its users meet it: what is in a copy and who may read it, and every way to name a place where there can
 * be none: a clear fault, exit 1, and nothing left there. Not here: copies under load (`copies.ts`, row L12).
 */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  rmdirSync,
  rmSync,
  statSync,
  symlinkSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { basename, dirname, join } from "node:path";
import { Client } from "undici";
import { afterAll, beforeAll, expect, test } from "vitest";
import { readRunFile } from "#control-plane/store/run-file.ts";
import { runCli } from "#test/support/cli.ts";
import { makeKey } from "#test/support/jwt.ts";
import { startJwks } from "#test/support/jwks.ts";
import { hasLoopDisk, LoopDisk } from "#test/support/loop-device.ts";
import { type Gateway, startGateway } from "#test/support/process.ts";
import { ADMIN_TOKEN } from "#test/support/scene.ts";

const root = mkdtempSync(join(tmpdir(), "tollgate-backup-"));
let gateway: Gateway;

/** With everything that may lie in a data folder: a demo's key, a local issuer's, key sets, a torn end. */
beforeAll(async () => {
  await using jwks = await startJwks(makeKey("ES256", "main"));
  const audiences = ["api"];
  gateway = await startGateway(
    {
      server: { workers: 1, adminToken: ADMIN_TOKEN },
      identity: {
        issuers: [
          { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences },
          { name: "own", preset: "local", audiences },
        ],
      },
      upstreams: { app: { targets: ["http://127.0.0.1:9"] } },
      routes: [],
      plans: { free: { default: true } },
    },
    { dir: root, args: ["--demo"] },
  );
  writeFileSync(join(root, "data", "journal", "0000000000000001-2-000001.journal"), "TGJRNL01torn", { mode: 0o600 });
  await gateway.cli("usage");
  writeFileSync(join(root, "data", "notes.txt"), "the operator's own");
});
afterAll(async () => {
  await gateway[Symbol.asyncDispose]();
  rmSync(root, { recursive: true, force: true });
});

function filesOf(dir: string): readonly string[] {
  return readdirSync(dir, { recursive: true, encoding: "utf8" })
    .filter((name) => !statSync(join(dir, name)).isDirectory())
    .sort();
}

/** Parts of a data folder that are the running gateway's, not its data; and what the gateway did not put there. */
const NOT_COPIED = /^(tollgate\.lock(-journal)?|tollgate\.run|tollgate\.db-(wal|shm)|notes\.txt)$/;

test("a copy has every file of a used data folder but those of the running process, all readable by their owner only", async () => {
  const dir = join(root, "copy");
  const made = (await gateway.cli("backup", dir, "--json")).json();
  expect(filesOf(dir)).toEqual(filesOf(join(root, "data")).filter((name) => !NOT_COPIED.test(name)));
  expect(filesOf(dir).map((name) => name.replaceAll(/[0-9a-f]{16}/g, "#"))).toEqual(
    expect.arrayContaining(["demo-key", "key-sets/main-#.json", "local-issuer.pem", "pepper", "tollgate.db"]),
  );
  expect(filesOf(dir).filter((name) => name.endsWith(".torn"))).toHaveLength(1);
  const paths = ["", ...readdirSync(dir, { recursive: true, encoding: "utf8" })].map((name) => join(dir, name));
  const modes = paths.map((path) => [path, statSync(path).isDirectory(), statSync(path).mode & 0o777]);
  expect(modes.filter(([, isFolder, mode]) => mode !== (isFolder === true ? 0o700 : 0o600))).toEqual([]);
  const bytes = filesOf(dir).reduce((sum, name) => sum + statSync(join(dir, name)).size, 0);
  expect(made).toEqual({ dir, cutAt: expect.stringMatching(/^\d{4}-.*Z$/), files: filesOf(dir).length, bytes });
  expect(leftBeside(dir)).toEqual([]);
});

test("an empty folder is taken, and a relative path is one of where the command runs", async () => {
  const dir = join(root, "empty");
  mkdirSync(dir, { mode: 0o755 });
  const { code, stdout } = await runCli(["backup", "empty/", "-c", gateway.file], { cwd: root });
  expect({ code, stdout }).toEqual({ code: 0, stdout: expect.stringContaining(`in ${dir}: `) });
  expect([existsSync(join(dir, "tollgate.db")), statSync(dir).mode & 0o777]).toEqual([true, 0o700]);
});

/** What a backup that came to nothing left beside its place. */
function leftBeside(dir: string): readonly string[] {
  const parent = dirname(dir);
  const names = statSync(parent, { throwIfNoEntry: false })?.isDirectory() === true ? readdirSync(parent) : [];
  return names.filter((name) => name.includes(".partial-"));
}

/** Over the socket that the command uses too, because that is quicker. */
async function refusalOf(dir: string): Promise<readonly [status: number, error: string, detail: string]> {
  const there = existsSync(dir);
  const http = new Client("http://tollgate", { socketPath: readRunFile(join(root, "data"))?.opsSocket ?? "" });
  try {
    const headers = { "content-type": "application/json" };
    const answer = await http.request({
      method: "POST",
      path: "/admin/backup",
      body: JSON.stringify({ dir }),
      headers,
    });
    // Refusals are problem documents, docs/errors.md.
    const { error, detail } = (await answer.body.json()) as { readonly error: string; readonly detail: string };
    expect([existsSync(dir), leftBeside(dir)]).toEqual([there, []]);
    return [answer.statusCode, error, detail];
  } finally {
    await http.close();
  }
}

const isBad = (...words: readonly string[]) => [400, "malformed_request", expect.stringContaining(words.join(" "))];

test("a place that is taken, missing, no folder or not writable is refused by name and stays as it is", async () => {
  const at = (...names: readonly string[]) => join(root, ...names);
  writeFileSync(at("file"), "x");
  symlinkSync(root, at("link"));
  expect(await refusalOf(at("data"))).toEqual(isBad(`Folder ${at("data")} is not empty`));
  expect(await refusalOf(at("file"))).toEqual(isBad(`${at("file")} exists and is no folder`));
  expect(await refusalOf(at("link"))).toEqual(isBad(`${at("link")} exists and is no folder`));
  expect(await refusalOf(at("no", "copy"))).toEqual(isBad(`Folder ${at("no")} does not exist`));
  expect(await refusalOf(at("file", "copy"))).toEqual(isBad(`Folder ${at("file")} does not exist`));
  expect(await refusalOf(at("n".repeat(300)))).toEqual(isBad("(ENAMETOOLONG)"));
  // Nobody makes folders there, root neither.
  expect(await refusalOf("/sys/tollgate-copy")).toEqual(isBad("The gateway cannot make /sys/tollgate-copy (E"));
  expect(await refusalOf("copy")).toEqual(isBad("Expected an absolute path"));
  expect(await refusalOf("")).toEqual(isBad(""));
  expect(await refusalOf(`${at("nul")}\0`)).toEqual(isBad(""));
});

test("the command says what is wrong and ends with 1, or 2 when no folder is named", async () => {
  const dir = join(root, "data");
  const { code, stdout, stderr } = await gateway.cli("backup", dir);
  const words = `Error: Folder ${dir} is not empty: a backup overwrites nothing\n`;
  expect({ code, stdout, stderr }).toEqual({ code: 1, stdout: "", stderr: words });
  expect((await gateway.cli("backup")).code).toBe(2);
});

/** A disk with less room than a copy takes; returns what lies on it afterwards. */
async function refuseOnFull(disk: LoopDisk): Promise<readonly string[]> {
  rmdirSync(join(disk.dir, "lost+found"));
  expect(await refusalOf(disk.dir)).toEqual(isBad(`A backup cannot be moved to ${disk.dir} (E`));
  const full = join(disk.dir, "full");
  expect(() => writeFileSync(full, Buffer.alloc(16 * 1024 * 1024))).toThrow("ENOSPC");
  // A little is given back: the copy is to fail on its way, not at its first folder.
  truncateSync(full, statSync(full).size - 24 * 1024);
  const words = `There is no room for a backup in ${disk.dir}`;
  expect(await refusalOf(join(disk.dir, "copy"))).toEqual([409, "conflict", words]);
  return readdirSync(disk.dir);
}

test("on a disk without room, and over a mount, there is no backup and nothing of one", async () => {
  using disk = hasLoopDisk("a backup to a full disk") ? LoopDisk.make(8) : null;
  expect(disk === null ? ["full"] : await refuseOnFull(disk)).toEqual(["full"]);
});

test("the admin listener has no such endpoint, token or not", async () => {
  const dir = join(root, "by-listener");
  const ask = (headers: Record<string, string>) =>
    fetch(`${gateway.adminUrl}/admin/backup`, {
      method: "POST",
      headers: { "content-type": "application/json", ...headers },
      body: JSON.stringify({ dir }),
    });
  expect((await ask({ authorization: `Bearer ${ADMIN_TOKEN}` })).status).toBe(404);
  expect((await ask({})).status).toBe(404);
  expect(existsSync(dir)).toBe(false);
});

test("where no gateway ever ran there is nothing to back up, and no store is made", async () => {
  const place = join(root, "elsewhere");
  mkdirSync(place);
  writeFileSync(
    join(place, "gateway.yaml"),
    "version: 1\nupstreams: {}\nroutes: []\nplans: { free: { default: true } }\n",
  );
  const { code, stderr } = await runCli(["backup", join(place, "copy"), "-c", join(place, "gateway.yaml")]);
  expect({ code, stderr }).toEqual({ code: 1, stderr: expect.stringContaining("There is no store") });
  expect(readdirSync(place).map((name) => basename(name))).toEqual(["gateway.yaml"]);
});
