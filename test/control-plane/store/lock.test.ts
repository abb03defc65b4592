/** One process a data folder: the second is told who has it, and a lock dies with its holder, however that ends. */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { DataFolderLock } from "#control-plane/store/lock.ts";
import { DataFolderLocked, readRunFile } from "#control-plane/store/run-file.ts";

const LOCK_MODULE = join(import.meta.dirname, "..", "..", "..", "src", "control-plane", "store", "lock.ts");
let root = "";
let dir = "";

beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), "tollgate-lock-"));
  dir = join(root, "data");
});
afterEach(() => rmSync(root, { recursive: true, force: true }));

function lockFault(): DataFolderLocked {
  try {
    new DataFolderLock(dir).release();
  } catch (error) {
    if (error instanceof DataFolderLocked) return error;
    throw error;
  }
  throw new Error("The data folder was free");
}

test("a folder that is taken is refused, and says by whom", () => {
  const lock = new DataFolderLock(dir);
  expect(lockFault().holder).toBeNull();
  lock.announce({ pid: 4_711, opsSocket: "/run/ops.sock", readyUrl: null });
  const fault = lockFault();
  expect(fault.holder).toEqual({ pid: 4_711, opsSocket: "/run/ops.sock", readyUrl: null });
  expect(fault.message).toContain("process 4711");
  lock.release();
});

test("a released folder is free, and nobody is announced any more", () => {
  const lock = new DataFolderLock(dir);
  lock.announce({ pid: 1, opsSocket: null, readyUrl: null });
  lock.release();
  expect(readRunFile(dir)).toBeNull();
  new DataFolderLock(dir).release();
});

test("the folder and the run file are for their owner only", () => {
  const lock = new DataFolderLock(dir);
  writeFileSync(join(dir, "tollgate.run"), "", { mode: 0o644 });
  lock.announce({ pid: 1, opsSocket: null, readyUrl: null });
  expect([statSync(dir).mode & 0o777, statSync(join(dir, "tollgate.run")).mode & 0o777]).toEqual([0o700, 0o600]);
  lock.release();
});

test("the lock of a process that is killed is free at once, and its run file does not count", async () => {
  const program = `const { DataFolderLock } = await import(${JSON.stringify(LOCK_MODULE)});
    // Kept in reach: a lock that is collected as garbage lets go.
    globalThis.lock = new DataFolderLock(${JSON.stringify(dir)});
    globalThis.lock.announce({ pid: process.pid, opsSocket: "/gone", readyUrl: null });
    process.stdout.write("locked");
    setInterval(() => {}, 1000);`;
  const child = spawn(process.execPath, ["--input-type=module", "-e", program], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  const closed = new Promise((resolve) => child.on("close", resolve));
  try {
    await new Promise((resolve) => child.stdout.on("data", resolve));
    expect(lockFault().holder).toEqual({ pid: child.pid, opsSocket: "/gone", readyUrl: null });
  } finally {
    child.kill("SIGKILL");
  }
  await closed;
  new DataFolderLock(dir).release();
});

test.each(["", "{", "[]", "null", '{"pid":"1"}', "{}"])("a run file with %j in it announces nobody", (text) => {
  const lock = new DataFolderLock(dir);
  writeFileSync(join(dir, "tollgate.run"), text);
  expect(readRunFile(dir)).toBeNull();
  lock.release();
});
