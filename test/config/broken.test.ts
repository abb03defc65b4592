/** Files with faults of syntax and shape: each with the exact line, column, words and hint of every fault. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { ConfigFaults, formatFault } from "#config/faults.ts";
import { loadSettings, parseSettings } from "#config/load.ts";
import { BASE, faultsOf } from "./faults-of.ts";

type Case = readonly [title: string, text: string, faults: readonly string[]];

const CASES: readonly Case[] = [
  ["an empty file", "", ["1:1 The file is empty (start with version: 1)"]],
  [
    "a file of comments",
    `# nothing
`,
    ["1:1 The file is empty (start with version: 1)"],
  ],
  [
    "a file that is no map",
    `- a
- b
`,
    ["1:1 Expected a map, got a list"],
  ],
  [
    "a tab as indentation, each one",
    "version: 1\nserver:\n\tlisten: :80\n\tlane: auto\n",
    ["3:1 Expected spaces as indentation, got a tab", "4:1 Expected spaces as indentation, got a tab"],
  ],
  [
    "a second document",
    `version: 1
---
version: 1
`,
    ["2:1 Expected one document, got a second one (remove the --- line and what follows it)"],
  ],
  [
    "an unclosed bracket",
    `version: 1
routes: [1, 2
`,
    ["3:1 Expected a closing ]"],
  ],
  [
    "an unclosed quote",
    `version: 1
routes: "abc
`,
    ['3:1 Expected a closing "'],
  ],
  [
    "two keys on one line",
    `version: 1
server: listen: x
`,
    ['2:9 Expected one value on this line, got a second key (put a value that holds ": " in quotes)'],
  ],
  [
    "a tag",
    `version: !!binary 1
routes: !mine []
`,
    ["2:9 Unresolved tag: !mine"],
  ],
  [
    "tags that the YAML package knows",
    `version: !!binary 1
server: !!set {}
roles: !!omap []
`,
    [
      "1:19 Expected a value without a tag",
      "2:15 Expected a value without a tag",
      "3:15 Expected a value without a tag",
    ],
  ],
  [
    "an older YAML",
    `%YAML 1.1
---
version: 1
`,
    ["1:1 Expected YAML 1.2, got 1.1 (remove the %YAML line)"],
  ],
  [
    "an alias without its anchor",
    `version: 1
server: *nowhere
`,
    ["2:9 Unknown alias *nowhere (its anchor has to stand further up)"],
  ],
  [
    "an alias inside its own anchor",
    `version: 1
server: &a { limits: *a }
`,
    ["2:22 The alias *a stands inside its own anchor"],
  ],
  [
    "a key that is a list",
    `version: 1
? [a]
: b
`,
    ["2:3 Expected a key that is plain text"],
  ],
  [
    "nesting without end",
    `version: 1
routes: [[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[[]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]]
`,
    ["2:40 Expected at most 32 levels of nesting"],
  ],
  [
    "aliases that unfold without end",
    `version: 1
a: &a [1,1,1,1,1,1,1,1,1,1]
b: &b [*a,*a,*a,*a,*a,*a,*a,*a,*a,*a]
c: &c [*b,*b,*b,*b,*b,*b,*b,*b,*b,*b]
routes: [*c,*c,*c,*c]
`,
    ["3:8 Too many aliases (at most 100 values may come from aliases)"],
  ],
  [
    "a duplicate key",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
version: 1
`,
    ["8:1 Duplicate key (each key once; the first one is further up)"],
  ],
  [
    "a key written as number and as text",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
roles: { a: [], a: [] }
`,
    ["8:17 Duplicate key (each key once; the first one is further up)"],
  ],
  [
    "a merge key",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server: { <<: { lane: auto } }
`,
    ['8:11 Unknown key "<<" (merge keys are not supported)'],
  ],
  [
    "all required keys missing",
    `server: {}
`,
    [
      '1:1 Missing key "version" (add version: 1)',
      '1:1 Missing key "upstreams" (add upstreams: a map)',
      '1:1 Missing key "routes" (add routes: a list)',
    ],
  ],
  [
    "a newer version",
    `version: 2
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["1:10 Expected 1, got 2"],
  ],
  [
    "a mistyped key at the top",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
rate: {}
`,
    ['8:1 Unknown key "rate" (did you mean "rates"?)'],
  ],
  [
    "a mistyped key in a route",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    metods: [GET]
`,
    ['8:5 Unknown key "metods" (did you mean "meters"?)'],
  ],
  [
    "sealing keys that are none, and repeats none of them",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
store: { sealingKeys: [c2hvcnQ, 1111111111111111111111111111111111111111111111111111111111111111] }
`,
    [
      "8:24 Expected 32 bytes as 64 hexadecimal digits or as base64, got 7 characters",
      "8:33 Expected 32 bytes as 64 hexadecimal digits or as base64, got a number (put it in quotes)",
    ],
  ],
  [
    "an unknown key that is near to none",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
store: { engine: postgres }
`,
    ['8:10 Unknown key "engine" (known keys: url, sealingKeys)'],
  ],
  [
    "an unknown name of Object.prototype",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
constructor: {}
`,
    [
      '8:1 Unknown key "constructor" (known keys: version, server, store, identity, roles, timeZone, rates, concurrency, meters, plans, upstreams, resources, routes, endpoints, metering, limitHeaders, errors)',
    ],
  ],
  [
    "a section without content",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
`,
    ["8:1 Expected a map, got nothing"],
  ],
  [
    "a list for a map",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server: [a]
`,
    ["8:9 Expected a map, got a list"],
  ],
  [
    "a text for a list",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    rates: api
`,
    ['8:12 Expected a list, got "api" (write [item, item])'],
  ],
  [
    "a duration with a blank",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  drainTimeout: 5 min
`,
    ['9:17 Expected a duration such as 30s, 5m or 1h, got "5 min"'],
  ],
  [
    "a duration without a unit",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  drainTimeout: 30
`,
    ["9:17 Expected a duration such as 30s, 5m or 1h, got 30 (add a unit, such as 30s)"],
  ],
  [
    "a size with the wrong unit",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server:
  limits:
    bodyBytes: 10MB
    headerBytes: 0
`,
    [
      '10:16 Expected a size such as 16KiB or 10MiB, a whole number of 1 or more or null, got "10MB"',
      "11:18 Expected a size such as 16KiB or 10MiB or a whole number of 1 or more, got 0",
    ],
  ],
  [
    "a mistyped word",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    auth: optinal
`,
    ['8:11 Expected "required", "optional" or "none", got "optinal" (did you mean "optional"?)'],
  ],
  [
    "a mistyped word in a union",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server: { workers: atuo }
`,
    ['8:20 Expected "auto" or a whole number from 1 to 64, got "atuo" (did you mean "auto"?)'],
  ],
  [
    "a number out of range",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server: { workers: 65 }
`,
    ['8:20 Expected "auto" or a whole number from 1 to 64, got 65'],
  ],
  [
    "a mistyped item of a list",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
rates: { api: { limit: 1, per: 1s, by: [ip, usr] } }
`,
    [
      '8:45 Expected "account", "user", "key", "ip", "route", "plan" or claim:PATH, such as claim:org.id, got "usr" (did you mean "user"?)',
    ],
  ],
  [
    "an item twice",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    schemes: [key, key]
`,
    ['8:20 Expected each item once, got "key" again'],
  ],
  [
    "an empty list",
    `version: 1
upstreams:
  app: { targets: [] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:19 Expected at least one item"],
  ],
  [
    "a number in quotes",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
rates: { api: { limit: "60", per: 1m } }
`,
    ['8:24 Expected a whole number from 1 to 1000000000, got "60" (remove the quotes)'],
  ],
  [
    "a missing key in a map of one line and in an empty map",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
rates: { a: { limit: 1 }, b: {} }
`,
    [
      '8:15 Missing key "per" (add per: a duration such as 30s, 5m or 1h)',
      '8:27 Missing key "limit" (add limit: a whole number from 1 to 1000000000)',
      '8:27 Missing key "per" (add per: a duration such as 30s, 5m or 1h)',
    ],
  ],
  [
    "a name with a blank",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
meters: { api calls: {} }
`,
    [
      '8:11 Expected a name of letters, digits, _ . and - that starts with a letter, at most 64 characters, got "api calls"',
    ],
  ],
  [
    "a host with a port",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { host: api.example.com:8080, path: "/all/{id}" }
`,
    ['7:20 Expected a host name in lower case without a port, or *. and a suffix, got "api.example.com:8080"'],
  ],
  [
    "a short admin token, which is not repeated",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
server: { adminToken: hunter2 }
`,
    ["8:23 Expected text of 32 characters or more, got 7 characters"],
  ],
  [
    "a target with a password, which is not repeated",
    `version: 1
upstreams:
  app: { targets: [ftp://me:hunter2@127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ['3:20 Expected an http(s) URL such as http://127.0.0.1:9000 or a map, got "ftp://***@127.0.0.1:9000"'],
  ],
  [
    "a target with a weight of nothing and an unknown key",
    `version: 1
upstreams:
  app: { targets: [{ url: "http://a", weight: 0, prio: 1 }] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
`,
    ["3:47 Expected a whole number from 1 to 1000, got 0", '3:50 Unknown key "prio" (known keys: url, weight)'],
  ],
  [
    "a status that is no choice",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
meters: { m: {} }
plans: { a: { default: true, quotas: { m: { limit: 1, per: month, status: 500 } } } }
`,
    ["9:75 Expected 402, 403 or 429, got 500"],
  ],
  [
    "a text where a number or null belongs",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
meters: { m: {} }
plans: { a: { default: true, quotas: { m: { limit: unlimited, per: moth } } } }
`,
    [
      '9:52 Expected a whole number of 0 or more or null, got "unlimited"',
      '9:68 Expected "minute", "hour", "day", "week", "month", "billing-period" or "lifetime", got "moth" (did you mean "month"?)',
    ],
  ],
  [
    "faults of shape, reference and meaning in one file",
    `version: 1
upstreams:
  app: { targets: [http://127.0.0.1:9000] }
routes:
  - name: all
    upstream: app
    match: { path: "/all/{id}" }
    rates: [api]
server: { lane: fast }
store:
  url: \${DB}
version: 1
`,
    [
      '8:13 Unknown rate "api" (there are no rates)',
      '9:17 Expected "auto" or "full", got "fast"',
      "11:8 The environment variable DB is not set (set it, or give a default: ${DB:-value})",
      "12:1 Duplicate key (each key once; the first one is further up)",
    ],
  ],
];

test.each(CASES)("refuses: %s", (_title, text, faults) => {
  expect(faultsOf(text)).toEqual(faults);
});

test("a fault is written as a link", () => {
  expect(formatFault({ file: "gateway.yaml", line: 12, column: 7, message: "Wrong", hint: "fix it" })).toBe(
    "gateway.yaml:12:7: Wrong (fix it)",
  );
  expect(formatFault({ file: "gateway.yaml", line: 1, column: 1, message: "Wrong", hint: null })).toBe(
    "gateway.yaml:1:1: Wrong",
  );
});

test("the error's message holds every fault, by position", () => {
  const error = thrownBy(() => parseSettings("version: 2\nserver: 1\n", "g.yaml", {}));
  expect(error).toBeInstanceOf(ConfigFaults);
  expect(String(error).match(/g\.yaml:\d+:\d+/g)).toEqual(["g.yaml:1:1", "g.yaml:1:1", "g.yaml:1:10", "g.yaml:2:9"]);
});

test("a file that cannot be read is a fault", () => {
  expect(String(thrownBy(() => loadSettings("/nowhere/gateway.yaml", {})))).toContain(
    "/nowhere/gateway.yaml:1:1: Cannot read the configuration: there is no such file (name another one with -c FILE)",
  );
  expect(String(thrownBy(() => loadSettings("/", {})))).toContain("it is a folder");
  expect(String(thrownBy(() => loadSettings("a\0b", {})))).toContain("its path is not valid");
});

test("a text over 4 MiB is refused", () => {
  expect(faultsOf("#".repeat(4 * 1_048_576 + 1))).toEqual(["1:1 Expected at most 4 MiB of configuration"]);
  expect(faultsOf(`${BASE}#${"x".repeat(4_000_000)}`)).toEqual([]);
});

test("nesting beyond the stack is a fault", () => {
  const open = "[".repeat(20_000);
  for (const text of [`a: ${open}`, `a: ${open}${"]".repeat(20_000)}`]) {
    expect(faultsOf(text).join()).toMatch(/^1:\d+ Expected at most 32 levels of nesting$/);
  }
});

test("arbitrary text never throws anything but ConfigFaults", () => {
  const word = fc.constantFrom(
    "version: 1",
    "routes:",
    "upstreams:",
    "  - ",
    "a:",
    "{",
    "}",
    "[",
    "]",
    "\n",
    "\t",
    "${X}",
    "&a",
    "*a",
    '"',
    "'",
    "!!set",
    "? ",
    "|",
    "---",
    "<<:",
    "%YAML 1.1",
    "1",
    "null",
    "__proto__:",
  );
  const junk = fc.oneof(
    fc.string({ unit: "binary" }),
    fc.array(word, { maxLength: 40 }).map((words) => words.join(" ")),
    fc.array(word, { maxLength: 20 }).map((words) => BASE + words.join("")),
  );
  const property = fc.property(junk, (text) => {
    const odd = faultsOf(text, { X: text }).filter((fault) => !/^\d+:\d+ ./.test(fault));
    expect(odd).toEqual([]);
  });
  fc.assert(property, { numRuns: 1_000 });
});

test("any JSON in place of any section never throws anything but ConfigFaults", () => {
  const key = fc.constantFrom(
    "server",
    "store",
    "identity",
    "roles",
    "rates",
    "meters",
    "plans",
    "upstreams",
    "routes",
    "metering",
    "errors",
  );
  const property = fc.property(fc.dictionary(key, fc.json({ maxDepth: 4 }), { maxKeys: 4 }), (sections) => {
    const text = Object.entries(sections)
      .map(([name, json]) => `${name}: ${json}\n`)
      .join("");
    expect(faultsOf(`version: 1\n${text}`)).not.toEqual([]);
  });
  fc.assert(property, { numRuns: 500 });
});

function thrownBy(run: () => unknown): unknown {
  try {
    run();
    return null;
  } catch (error) {
    return error;
  }
}
