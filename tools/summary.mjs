/**
 * `node tools/summary.mjs RESULTS.json [EXIT_CODE]`: the last line of `.ci/run`, `N passed, N failed`, from vitest's JSON
 * report and vitest's own exit code. A skipped or todo test counts as failed, and so does a file that could not run at
 * all. Exit 1 unless all passed.
 * Does not run tests.
 */
import { readFileSync } from "node:fs";

/** Counts of a vitest JSON report; `notes` names what failed without being a failed test. */
function summarise(report, exitCode) {
  const tests = report.testResults.flatMap((file) => file.assertionResults);
  const passed = tests.filter((test) => test.status === "passed").length;
  const notes = [
    ...tests
      .filter((test) => isLeftOut(test.status))
      .map((test) => `${test.status}, counted as failed: ${test.fullName}`),
    ...report.testResults.filter(isBrokenFile).map((file) => `did not run: ${file.name}`),
  ];
  const failed = tests.filter((test) => test.status === "failed").length + notes.length;
  // An unhandled rejection fails the run, yet the report says `success: true`: only the exit code tells.
  const runFailed = failed === 0 && (exitCode !== 0 || passed === 0);
  if (runFailed) return { passed, failed: 1, notes: ["the run itself failed, see above"] };
  return { passed, failed, notes };
}

const isLeftOut = (status) => status !== "passed" && status !== "failed";

function isBrokenFile(file) {
  return file.status === "failed" && !file.assertionResults.some((test) => test.status === "failed");
}

function readReport(path) {
  try {
    return JSON.parse(readFileSync(path, "utf8"));
  } catch {
    return { testResults: [] };
  }
}

const [, , path = "", exitCode = "0"] = process.argv;
const { passed, failed, notes } = summarise(readReport(path), Number(exitCode));
for (const note of notes) console.log(note);
console.log(`${passed} passed, ${failed} failed`);
process.exitCode = failed === 0 ? 0 : 1;
