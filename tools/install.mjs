/**
 * Installs what run.mjs misses: the npm packages of package-lock.json and, when asked, a private Node under `.runtime/`.
 * Under one lock, so that invocations at the same time wait for each other. Says one line on stderr before each step;
 * npm's own words go to `.runtime/install.log`. Throws an Error with one clear line. Does not run anything of the project.
 */
import { spawn } from "node:child_process";
import { appendFileSync, mkdirSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { withLock } from "./lock.mjs";
import {
  dependenciesAreFresh,
  expectedMarker,
  MARKER,
  NODE_DIR,
  NODE_MAJOR_MIN,
  NODE_VERSION,
  PROJECT_ROOT,
  privateNode,
  RUNTIME_DIR,
} from "./state.mjs";

const SIGNALS = ["SIGINT", "SIGTERM", "SIGHUP"];
const LOG = join(RUNTIME_DIR, "install.log");
// `--loglevel`: npm run -s sets "silent" in the environment, which would hide the reason of a failure.
const QUIET = ["--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];

export async function install({ needsNode }) {
  mkdirSync(RUNTIME_DIR, { recursive: true });
  await withLock(join(RUNTIME_DIR, "lock"), async () => {
    if (!dependenciesAreFresh()) await installDependencies();
    if (needsNode && privateNode() === null) await installNode();
  });
}

/**
 * Not `npm ci`: it refuses a lock file that lacks optional packages of other platforms, and ours does, being made against
 * a registry without them. `npm install --no-save` takes the same locked versions, changes only what differs, and
 * leaves the lock file alone.
 */
async function installDependencies() {
  say("Installing dependencies");
  rmSync(MARKER, { force: true });
  await npm(["install", "--no-save", "--include=dev", ...QUIET]);
  writeFileSync(MARKER, expectedMarker());
}

/** The package `node` only runs a script that installs this one; npm may refuse scripts, so take it directly. */
function nodePackage() {
  const prefix = process.platform === "darwin" && process.arch === "arm64" ? "node-bin" : "node";
  return `${prefix}-${process.platform}-${process.arch}`;
}

async function installNode() {
  say(`Installing Node ${NODE_VERSION} (this one is ${process.versions.node})`);
  const staging = `${NODE_DIR}.staging`;
  rmSync(staging, { recursive: true, force: true });
  mkdirSync(staging, { recursive: true });
  writeFileSync(join(staging, "package.json"), '{ "private": true }\n');
  await npm(["install", "--prefix", staging, "--no-save", ...QUIET, `${nodePackage()}@${NODE_VERSION}`]);
  const installed = join(staging, "node_modules", nodePackage());
  await checkNode(join(installed, "bin", "node"));
  renameSync(installed, NODE_DIR);
  rmSync(staging, { recursive: true, force: true });
}

async function checkNode(path) {
  const { code } = await output(path, ["--version"]);
  if (code !== 0)
    throw new Error(`Node ${NODE_VERSION} does not run on this machine: install Node ≥ ${NODE_MAJOR_MIN}`);
}

async function npm(args) {
  const { code, text } = await output("npm", args);
  appendFileSync(LOG, `$ npm ${args.join(" ")}\n${text}`);
  if (code !== 0) throw new Error(`npm ${args[0]} failed${reasonIn(text)}: see ${LOG}`);
}

/** The first words npm gives: `npm error code ENOTFOUND`, or whatever its first error line says. */
function reasonIn(text) {
  const lines = text.split("\n").filter((line) => /^npm (error|ERR!)/.test(line));
  const words = lines[0]?.replace(/^npm (error|ERR!)\s*/, "");
  return words === undefined ? "" : ` (${words})`;
}

/** Runs a command and gathers all it prints. Never inherits stdout, which belongs to the program run later. */
function output(command, args) {
  return new Promise((resolve, reject) => {
    const child = spawn(command, args, { cwd: PROJECT_ROOT, stdio: ["ignore", "pipe", "pipe"] });
    let text = "";
    for (const stream of [child.stdout, child.stderr]) stream.setEncoding("utf8").on("data", (part) => (text += part));
    const stop = () => child.kill(); // an npm that outlives us would write without the lock
    for (const signal of SIGNALS) process.on(signal, stop);
    child.on("error", (error) => reject(new Error(`Cannot run "${command}": ${error.message}`)));
    child.on("close", (code) => {
      for (const signal of SIGNALS) process.off(signal, stop);
      resolve({ code, text });
    });
  });
}

function say(message) {
  process.stderr.write(`tollgate: ${message}\n`);
}
