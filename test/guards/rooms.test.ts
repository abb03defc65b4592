/**
 * Holds the house rules of rooms.ts over every file under src/, and proves each rule by a planted violation in memory:
 * a guard that cannot fail is worse than none. Does not judge style that the linter or the formatter can see.
 */
import { readdirSync, readFileSync } from "node:fs";
import { join, relative } from "node:path";
import { describe, expect, test } from "vitest";
import { findViolations, type Rule } from "./rooms.ts";

const ROOT = join(import.meta.dirname, "..", "..");

function sourceFiles(): ReadonlyMap<string, string> {
  const names = readdirSync(join(ROOT, "src"), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && /\.[cm]?[jt]sx?$/.test(entry.name))
    .map((entry) => join(entry.parentPath, entry.name));
  return new Map(names.map((name) => [relative(ROOT, name).replaceAll("\\", "/"), readFileSync(name, "utf8")]));
}

function rulesBroken(path: string, body: string, opening = "/** Duty. */\n"): readonly Rule[] {
  return findViolations(new Map([[path, opening + body]])).map((violation) => violation.rule);
}

test("src/ keeps the rules of its rooms", () => {
  const files = sourceFiles();
  expect(files.size).toBeGreaterThan(1);
  const report = findViolations(files).map(({ path, line, rule, detail }) => `${path}:${line} ${rule}: ${detail}`);
  expect(report).toEqual([]);
});

describe("a planted violation is found", () => {
  const planted: readonly (readonly [string, Rule, string, string])[] = [
    ["core importing another room", "room-order", "src/core/a.ts", 'import { b } from "#config/b.ts";'],
    ["config importing a higher room", "room-order", "src/config/a.ts", 'import { b } from "#shared/b.ts";'],
    ["shared importing a plane", "room-order", "src/shared/a.ts", 'import { b } from "#data-plane/b.ts";'],
    ["one plane importing the other", "room-order", "src/data-plane/a.ts", 'import { b } from "#control-plane/b.ts";'],
    [
      "the other plane importing the one",
      "room-order",
      "src/control-plane/a.ts",
      'import { b } from "#data-plane/b.ts";',
    ],
    ["a plane importing the command line", "room-order", "src/control-plane/a.ts", 'import { b } from "#cli/b.ts";'],
    ["a type import against the order", "room-order", "src/core/a.ts", 'import type { B } from "#shared/b.ts";'],
    ["a type query against the order", "room-order", "src/core/a.ts", 'type B = import("#shared/b.ts").B;'],
    ["a re-export against the order", "room-order", "src/core/a.ts", 'export { b } from "#shared/b.ts";'],
    ["a star re-export against the order", "room-order", "src/core/a.ts", 'export * from "#shared/b.ts";'],
    ["a side-effect import against the order", "room-order", "src/core/a.ts", 'import "#shared/b.ts";'],
    ["a dynamic import against the order", "room-order", "src/core/a.ts", 'await import("#shared/b.ts");'],
    ["an import over several lines", "room-order", "src/core/a.ts", 'import {\n  b,\n  c, // why\n} from "#cli/b.ts";'],
    [
      "a worker's URL in the other plane",
      "room-order",
      "src/control-plane/fleet/a.ts",
      'new Worker(new URL("../../data-plane/worker.ts", import.meta.url));',
    ],
    ["an import of test code", "room-order", "src/cli/a.ts", 'import { b } from "#test/b.ts";'],
    ["an import of main.ts", "room-order", "src/cli/a.ts", 'import { b } from "#main.ts";'],
    ["a file outside every room", "unknown-room", "src/helpers/a.ts", ""],
    ["a loose file beside main.ts", "unknown-room", "src/helpers.ts", ""],
    ["a parent-relative import", "parent-import", "src/data-plane/wire/a.ts", 'import { b } from "../gate.ts";'],
    ["a relative import of a deeper room", "import-form", "src/data-plane/a.ts", 'import { b } from "./wire/b.ts";'],
    [
      "a # import inside one room",
      "import-form",
      "src/data-plane/wire/a.ts",
      'import { b } from "#data-plane/wire/b.ts";',
    ],
    ["an import that only running can tell", "opaque-import", "src/core/a.ts", "await import(name);"],
    ["an index file", "index-file", "src/core/index.ts", ""],
    ["a default export", "default-export", "src/core/a.ts", "export default 1;"],
    ["a renamed default export", "default-export", "src/core/a.ts", "const a = 1;\nexport { a as default };"],
    ["a file of 301 lines", "file-length", "src/core/a.ts", "f();\n".repeat(300)],
    ["an any annotation", "any-type", "src/core/a.ts", "export function a(b: any) {}"],
    ["an any argument", "any-type", "src/core/a.ts", "type A = Map<string, any>;"],
    ["a cast to any", "any-type", "src/core/a.ts", "const a = b as any;"],
    ["an ignored type error", "ts-ignore", "src/core/a.ts", "// @ts-ignore\nf();"],
  ];
  test.each(planted)("%s breaks the rule %s", (_name, rule, path, body) => {
    expect(rulesBroken(path, body)).toEqual([rule]);
  });

  test("a file without an opening comment breaks the rule opening-comment", () => {
    expect(rulesBroken("src/core/a.ts", "f();", "")).toEqual(["opening-comment"]);
    expect(rulesBroken("src/core/a.ts", "f();", "// biome-ignore format: no\n")).toEqual(["opening-comment"]);
  });

  test("a violation names its line", () => {
    const files = new Map([["src/core/a.ts", '/** Duty. */\n\nimport { b } from "#cli/b.ts";\n']]);
    expect(findViolations(files)).toMatchObject([{ rule: "room-order", path: "src/core/a.ts", line: 3 }]);
  });
});

describe("what the rules allow is not reported", () => {
  const allowed: readonly (readonly [string, string, string])[] = [
    ["a neighbour in the same room", "src/data-plane/wire/a.ts", 'import { b } from "./b.ts";'],
    ["another room of the same plane", "src/data-plane/wire/a.ts", 'import { b } from "#data-plane/gate.ts";'],
    ["a lower room", "src/data-plane/a.ts", 'import { b } from "#core/b.ts"; import type { C } from "#shared/c.ts";'],
    ["any room from main.ts", "src/main.ts", 'import { b } from "#data-plane/b.ts"; import { c } from "#cli/c.ts";'],
    ["a worker's URL from main.ts", "src/main.ts", 'new URL("./data-plane/worker.ts", import.meta.url);'],
    ["packages and Node's modules", "src/core/a.ts", 'import fs from "node:fs"; import Type from "typebox";'],
    ["a file of 300 lines", "src/core/a.ts", "f();\n".repeat(299)],
    ["the word any in prose", "src/core/a.ts", '// any import { b } from "#cli/b.ts"\nf("as any");'],
    ["a method called any", "src/core/a.ts", "AbortSignal.any([a]); const b = { any: 1 };"],
    [
      "private members called any and import",
      "src/core/a.ts",
      "class A { #any = 1; b() { return this.#import(c, this.#any); } }",
    ],
    ["an import inside a string", "src/core/a.ts", "const a = 'import { b } from \"#cli/b.ts\"';"],
    ["an import inside a template", "src/core/a.ts", 'const a = `${b ? `x` : "}"} import "#cli/b.ts"`;'],
    ["quotes in a regular expression", "src/core/a.ts", "const a = /[\"'`/]/; const b = 1 / 2; // as any"],
  ];
  test.each(allowed)("%s", (_name, path, body) => {
    expect(rulesBroken(path, body)).toEqual([]);
  });
});
