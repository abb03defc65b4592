/**
 * `npm run check`: types, lint, format, rooms and unused code, all at once. Prints one line for each tool, then the output of
 * those that failed; exit 1 on any. Needs Node ≥ 24 and installed dependencies (tools/run.mjs sees to both).
 * Changes no file (`npm run format` does) and runs no tests.
 */
import { spawn } from "node:child_process";
import { PROJECT_ROOT } from "./state.mjs";

const CHECKS = [
  { name: "tsc", file: "typescript/bin/tsc", args: ["-p", "."] },
  { name: "oxlint", file: "oxlint/bin/oxlint", args: ["--deny-warnings", "--report-unused-disable-directives"] },
  { name: "biome", file: "@biomejs/biome/bin/biome", args: ["format", "--error-on-warnings"] },
  { name: "rooms", file: "vitest/vitest.mjs", args: ["run", "test/guards/rooms.test.ts"] },
  { name: "knip", file: "knip/bin/knip.js", args: ["--no-config-hints"] },
];

function run({ name, file, args }) {
  return new Promise((resolve) => {
    const startedAt = performance.now();
    const child = spawn(process.execPath, [`node_modules/${file}`, ...args], {
      cwd: PROJECT_ROOT,
      stdio: ["ignore", "pipe", "pipe"],
    });
    let output = "";
    for (const stream of [child.stdout, child.stderr])
      stream.setEncoding("utf8").on("data", (part) => (output += part));
    child.on("close", (code) => {
      const seconds = ((performance.now() - startedAt) / 1000).toFixed(1);
      console.log(`${code === 0 ? "ok    " : "FAILED"} ${name} (${seconds} s)`);
      resolve({ name, output, ok: code === 0 });
    });
  });
}

const failures = (await Promise.all(CHECKS.map(run))).filter((result) => !result.ok);
for (const { name, output } of failures) console.log(`\n--- ${name}\n${output.trimEnd()}`);
process.exitCode = failures.length === 0 ? 0 : 1;
