import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import os from "node:os";
import path from "node:path";
import { afterAll, expect, test } from "vitest";
import { BASE, faultsOf, settingsOf } from "./faults-of.ts";

const folder = mkdtempSync(path.join(os.tmpdir(), "tollgate-references-"));
const file = path.join(folder, "gateway.yaml");
afterAll(() => rmSync(folder, { recursive: true }));

const withMeter = (description: string) => `${BASE}meters:\n  calls:\n    description: ${description}\n`;
const description = (text: string, env = {}) => settingsOf(withMeter(text), env, file).meters.calls?.description;
const withLimit = (limit: string) => `${BASE}rates:\n  api:\n    per: 1m\n    limit: ${limit}\n`;
const limit = (text: string, env = {}) => settingsOf(withLimit(text), env).rates.api?.limit;

test("a variable is replaced anywhere in a value", () => {
  expect(description("a ${X} b ${Y:-z}", { X: "1" })).toBe("a 1 b z");
  expect(description('"${X}"', { X: "1" })).toBe("1");
  expect(description("|\n      ${X}", { X: "block" })).toBe("block\n");
});

test("a default stands in for a variable that is unset or empty", () => {
  expect(description("${X:-z}", { X: "" })).toBe("z");
  expect(description("${X:-}", {})).toBe("");
  expect(description('"${X}"', { X: "" })).toBe("");
});

test("a doubled dollar is a literal reference", () => {
  expect(description("$${X} and $5 and $$", {})).toBe("${X} and $5 and $$");
});

test("an unquoted variable alone takes the type of a strict whole number, true, false or null", () => {
  expect(limit("${L}", { L: "25" })).toBe(25);
  expect(limit("${L:-60}")).toBe(60);
  expect(
    settingsOf(`${BASE}rates:\n  api:\n    per: 1m\n    limit: 1\n    shadow: \${S}\n`, { S: "true" }).rates.api
      ?.shadow,
  ).toBe(true);
  expect(settingsOf(`${BASE}server:\n  admin: \${A}\n`, { A: "null" }).server.admin).toBeNull();
});

test("other texts and quoted variables stay text", () => {
  const texts = ["0x10", "1e3", "025", "1_000", " 5", "+5", "-0", "9007199254740993", "1.0", "~", "True"];
  expect(texts.filter((L) => faultsOf(withLimit("${L}"), { L }).length !== 1)).toEqual([]);
  expect(faultsOf(withLimit('"${L}"'), { L: "25" })).toEqual([
    '9:12 Expected a whole number from 1 to 1000000000, got what "${L}" stands for (remove the quotes)',
  ]);
});

test("a value never adds structure and is not looked at again", () => {
  const nasty = 'x\nroutes: []\n- a: {b: "c"} # ${HOME} *x &y !z';
  expect(description("${X}", { X: nasty })).toBe(nasty);
  expect(description("${X}", { X: "[1, 2]" })).toBe("[1, 2]");
});

test("keys are not touched", () => {
  expect(faultsOf(`${BASE}"\${X}": 1\n`, { X: "meters" })).toHaveLength(1);
});

test("an unset variable is a fault at the value and silences what would follow from it", () => {
  expect(faultsOf(withLimit("${LIMIT}"), {})).toEqual([
    "9:12 The environment variable LIMIT is not set (set it, or give a default: ${LIMIT:-value})",
  ]);
  expect(faultsOf(withLimit("${LIMT}"), { LIMIT: "5" })).toEqual([
    '9:12 The environment variable LIMT is not set (did you mean "LIMIT"?)',
  ]);
});

test("names of Object.prototype are not variables", () => {
  expect(faultsOf(withMeter("${constructor}"), {})).toHaveLength(1);
});

test("a malformed reference is a fault", () => {
  const texts = ["${}", "${1X}", "${X", "${X-1}", "${X Y}"];
  const first = (text: string) => faultsOf(withMeter(`"${text}"`), { X: "1" })[0] ?? "";
  expect(texts.filter((text) => !/^8:18 Expected \$\{NAME\}.*\$\$\{ for a literal/.test(first(text)))).toEqual([]);
});

test("a reference without quotes inside braces is explained", () => {
  expect(faultsOf(`${BASE}rates: { api: { limit: \${L}, per: 1m } }\n`, { L: "5" })).toEqual([
    '6:24 Expected quotes around a reference inside { } or [ ] (write "${NAME}", or one key a line to keep numbers)',
  ]);
});

test("a file is read relative to the configuration, without its last line end, as text", () => {
  writeFileSync(path.join(folder, "secret"), "12345\n");
  expect(description("${file:secret}")).toBe("12345");
  expect(description(`\${file:${folder}/secret}`)).toBe("12345");
  writeFileSync(path.join(folder, "dos"), "a\nb\r\n");
  expect(description("${file:dos}")).toBe("a\nb");
});

test("a file that is missing, a folder, too large or no text is a fault", () => {
  writeFileSync(path.join(folder, "large"), "x".repeat(65_537));
  writeFileSync(path.join(folder, "bytes"), Buffer.from([0xff, 0xfe, 0x80]));
  const reason = (name: string) => faultsOf(withMeter(`\${file:${name}}`), {}, file)[0];
  expect(reason("none")).toBe(
    '8:18 Cannot read the file "none": there is no such file (paths are relative to the configuration file)',
  );
  expect(reason(".")).toContain("it is a folder");
  expect(reason("large")).toContain("it is larger than 64 KiB");
  expect(reason("bytes")).toContain("it is not UTF-8 text");
});

test("faults show the reference and never the secret behind it", () => {
  const text = `${BASE}server:\n  adminToken: \${TOKEN}\n  listen: \${TOKEN}\n`;
  const faults = faultsOf(text, { TOKEN: "hunter2-hunter2" });
  expect(faults).toHaveLength(2);
  expect(faults.join()).not.toContain("hunter2");
});
