/**
 * `node tools/run.mjs FILE [args…]`: runs FILE (relative to the project root) with Node ≥ 24 and fresh dependencies,
 * installing either one first when it is missing. Plain JavaScript for Node ≥ 18, so it works on a fresh clone.
 * It keeps the caller's directory, passes signals on and ends with the child's status. It never writes to stdout
 * and does not install by itself: that is install.mjs, loaded only when something is missing.
 */
import { spawn } from "node:child_process";
import { constants } from "node:os";
import { delimiter, dirname, join, resolve } from "node:path";
import { dependenciesAreFresh, NODE_MAJOR_MIN, PROJECT_ROOT, privateNode } from "./state.mjs";

const FORWARDED = ["SIGINT", "SIGTERM", "SIGHUP"];

function fail(message) {
  process.stderr.write(`tollgate: ${message}\n`);
  process.exit(1);
}

/** Path of a Node ≥ 24: this very one, or the private one under `.runtime/`; null when there is none yet. */
function findNode() {
  const major = Number.parseInt(process.versions.node, 10);
  return major >= NODE_MAJOR_MIN ? process.execPath : privateNode();
}

async function prepare() {
  if (!dependenciesAreFresh() || findNode() === null) {
    const { install } = await import("./install.mjs");
    await install({ needsNode: findNode() === null });
  }
  return findNode() ?? fail("No Node.js 24 or newer was found or installed");
}

/**
 * Grandchildren that call `node` must get the same one. FILE itself comes from the compile cache only when the environment names it;
 * without, what strips its types is loaded at every start (60 ms, 20 MiB). The folder is that of src/main.ts.
 */
function childEnvironment(node) {
  const path = process.env.PATH ?? "";
  const first = dirname(node);
  const PATH = path.split(delimiter)[0] === first ? path : `${first}${delimiter}${path}`;
  return { NODE_COMPILE_CACHE: join(PROJECT_ROOT, "node_modules", ".cache", "tollgate"), ...process.env, PATH };
}

function forwardSignals(child) {
  for (const signal of FORWARDED) {
    process.on(signal, () => {
      // On a terminal, Ctrl-C reaches the child from the kernel too; a second SIGINT would turn its stop into an abort.
      if (signal !== "SIGINT" || !process.stdin.isTTY) child.kill(signal);
    });
  }
}

function run(node, file, args) {
  const child = spawn(node, [resolve(PROJECT_ROOT, file), ...args], { stdio: "inherit", env: childEnvironment(node) });
  forwardSignals(child);
  child.on("error", (error) => fail(`Cannot start "${node}": ${error.message}`));
  child.on("exit", (code, signal) => process.exit(code ?? 128 + (constants.signals[signal] ?? 0)));
}

const [file, ...args] = process.argv.slice(2);
if (file === undefined) fail("Usage: node tools/run.mjs FILE [args…]");
try {
  run(await prepare(), file, args);
} catch (error) {
  fail(error.message);
}
