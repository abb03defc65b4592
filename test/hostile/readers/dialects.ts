/** The ways in which the judge reads what was forwarded: one that only cuts and takes, and what servers were seen to do beside it. */
import type { Dialect } from "./lenient.ts";

/** The octets that some language's `trim` or `isspace` takes for white space, NUL and other controls among them. */
const BLANK_AROUND = /^[\0-\x20\x7f\x85\xa0\xad]+|[\0-\x20\x7f\x85\xa0\xad]+$/g;
const OWS_AROUND = /^[ \t]+|[ \t]+$/g;

const PLAIN: Dialect = {
  name: "plain",
  lines: "crlf",
  folds: "join",
  cleaned: (line) => line,
  startOf: (line) => {
    const [, method, target] = /^([^ ]+) (.*) HTTP\/[0-9.]+ *$/is.exec(line) ?? [];
    return method === undefined || target === undefined ? null : [method, target];
  },
  nameOf: (name) => name.toLowerCase(),
  textOf: (value) => value.replace(OWS_AROUND, ""),
  repeated: "last",
  lengthOf: (value) => (/^[0-9]+$/.test(value) ? Number(value) : null),
  isChunked: (coding) => /(?:^|,)[ \t]*chunked$/i.test(coding),
  prefers: "chunks",
  sizeOf: (line) => {
    const digits = /^([0-9a-f]+)[ \t]*(?:;|$)/i.exec(line)?.[1];
    return digits === undefined ? null : Number.parseInt(digits, 16);
  },
  chunkEnd: "line",
  hostOf: (field) => field,
  upgrades: false,
};

/** strtol with base 0: blanks and a sign before, `0x` and `0` for other bases, whatever behind. */
function likeC(text: string): number | null {
  const [, sign = "", digits = ""] = /^[\s\0]*([+-]?)(0x[0-9a-f]+|[0-9]+)/i.exec(text) ?? [];
  if (digits === "") return null;
  const value = /^0[0-7]+$/.test(digits) ? Number.parseInt(digits, 8) : Number(digits);
  return sign === "-" ? null : value;
}

const loosely = (text: string, radix: number): number | null => {
  const value = Number.parseInt(text.replaceAll(/[\s_"']/g, ""), radix);
  return Number.isNaN(value) || value < 0 ? null : value;
};

const SPACED = /[ \t\v\f\r]+/;

/** Each differs from the plain one in what its name says. */
const DIFFERENCES: Readonly<Record<string, Partial<Omit<Dialect, "name">>>> = {
  "LF ends a line": { lines: "lf" },
  "CR ends a line": { lines: "cr" },
  "length first": { prefers: "length" },
  "chunked anywhere": { isChunked: (coding) => /chunked/i.test(coding) },
  "chunked by any coding but identity": { isChunked: (coding) => !/^(?:identity)?$/i.test(coding) },
  "trimmed names": { nameOf: (name) => name.replaceAll(BLANK_AROUND, "").toLowerCase() },
  "trimmed names and values, LF ends a line": {
    lines: "lf",
    nameOf: (name) => name.replaceAll(BLANK_AROUND, "").toLowerCase(),
    textOf: (value) => value.replaceAll(BLANK_AROUND, ""),
  },
  "names to the first blank": { nameOf: (name) => (name.trim().split(/[\0-\x20\x7f-\xa0]/)[0] ?? "").toLowerCase() },
  "_ is -": { nameOf: (name) => name.replaceAll("_", "-").toLowerCase() },
  "all but letters and digits is -": { nameOf: (name) => name.replaceAll(/[^0-9a-z]/gi, "-").toLowerCase() },
  "folded lines are fields": { folds: "field", nameOf: (name) => name.trim().toLowerCase() },
  "folded lines are nothing": { folds: "drop" },
  "the first counts": {
    repeated: "first",
    lengthOf: (value) => PLAIN.lengthOf(value.split(",")[0]?.trim() ?? ""),
    isChunked: (coding) => /^chunked\b/i.test(coding),
  },
  "the last counts": { lengthOf: (value) => PLAIN.lengthOf(value.split(",").at(-1)?.trim() ?? "") },
  "loose numbers": { lengthOf: (value) => loosely(value, 10), sizeOf: (line) => loosely(line, 16) },
  "numbers as in C": { lengthOf: likeC, sizeOf: (line) => likeC(`0x${line.replace(/^[\s\0]*(?:0x)?/i, "")}`) },
  "NUL ends a line": { cleaned: (line) => line.split("\0")[0] ?? "" },
  "control characters are left out": { cleaned: (line) => line.replaceAll(/[\0-\x08\x0a-\x1f\x7f]/g, "") },
  "any two octets end a chunk": { chunkEnd: "octets" },
  "LF ends a chunk's line": { lines: "lf", sizeOf: (line) => loosely(line.split(";")[0] ?? "", 16) },
  "blanks part the request line": {
    startOf: (line) => {
      const [method, target] = line.trim().split(SPACED);
      return method === undefined || target === undefined ? null : [method, target];
    },
  },
  "the target says the host": { hostOf: (field, target) => /^[a-z]+:\/\/([^/?#]*)/i.exec(target)?.[1] ?? field },
  "upgrades are obeyed": { upgrades: true },
};

export const DIALECTS: readonly Dialect[] = [
  PLAIN,
  ...Object.entries(DIFFERENCES).map(([name, differs]) => ({ ...PLAIN, ...differs, name })),
];

/** For whoever must answer whatever comes. */
export const TOLERANT: Dialect = { ...PLAIN, name: "tolerant", lines: "lf" };
