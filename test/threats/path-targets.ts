/** B06–B17: targets that two parties could read differently. What is matched is what goes on, byte for byte. */
import { expect } from "vitest";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { conversation } from "./conversation.ts";
import { get, keyOf, malformed, orSyntax, refused } from "./expectations.ts";
import type { Case, Row } from "./runner.ts";
import type { Expectation } from "./seen.ts";
import type { World } from "./world.ts";

const TARGET_BYTES_MAX = 8192;

/** Each target is a case. */
function targets(world: World, wanted: Expectation, list: readonly string[]): Case[] {
  return list.map((target) => ({
    what: JSON.stringify(target.slice(0, 80)),
    send: get(target, keyOf(world)),
    expect: wanted,
  }));
}

const broken = (rule: string) => malformed(orSyntax(rule));

/** What the app gets when the target is let in. */
async function expectForwarded(world: World, pairs: Readonly<Record<string, string>>): Promise<void> {
  for (const [target, forwarded] of Object.entries(pairs)) {
    const send = get(target, keyOf(world), "Connection: close");
    const seen = await conversation(world, send);
    expect.soft(seen, target).toEqual({ statuses: [200], targets: [forwarded], usage: 1, closed: true });
  }
}

/** Without a key: what asks for one says so. */
function unkeyed(wanted: Expectation, list: readonly string[]): Case[] {
  return list.map((target) => ({ what: `nobody: ${target}`, send: get(target), expect: wanted }));
}

const ANONYMOUS = refused(401, "route:private");
const NOT_BOSS = refused(403, "route:boss");
const NOWHERE = refused(404, "route:none");

export const PATH_TARGETS: readonly Row[] = [
  {
    id: "B06",
    class: "path",
    name: "a target that is no path is refused, and one that begins with two slashes",
    cases: (world) => [
      ...targets(world, broken("target:form"), [
        "private/x",
        "?x",
        "test/private/x",
        ".",
        "private",
        "%2fprivate/x",
        "&",
        ";/private",
      ]),
      ...targets(world, broken("target:empty-segment"), ["//evil.com/x", "//private/x", "///", "//"]),
    ],
  },
  {
    id: "B07",
    class: "path",
    name: "a fragment is refused",
    cases: (world) =>
      targets(world, broken("target:character"), [
        "/public#/../private/x", "/private/x#", "/private/x#a", "/private/x?a#b", "/#", "http://test/private/x#a",
      ]), // biome-ignore format: a list
  },
  {
    id: "B08",
    class: "path",
    name: "dot segments are resolved once, before the route is found, and the app gets the path that was matched; odd ones are refused",
    cases: (world) => [
      ...unkeyed(ANONYMOUS, [
        "/public/../private/x", "/public/./../private/x", "/public/%2e%2e/private/x", "/public/.%2e/private/x",
        "/public/%2E./private/x", "/./private/x", "/private/./x", "/%2e/private/x",
      ]), // biome-ignore format: a list
      ...targets(world, NOT_BOSS, ["/public/../boss", "/public/x/%2e%2e/%2e%2e/boss", "/boss/.", "/boss/x/.."]),
      ...targets(world, broken("target:dot-segment"), [
        "/..", "/../private/x", "/private/../../x", "/public/..;/private/x", "/public/..;a=1/private/x", "/public/.;/x",
        "/public/%2e%2e;/private/x", "/based/../../x", "/%2e%2e/x",
      ]), // biome-ignore format: a list
      ...targets(world, broken("target:character|target:escape"), [
        "/public/..\\private/x",
        "/public\\..\\private",
        "/public/..%5cprivate/x",
      ]),
    ],
    story: (world) =>
      expectForwarded(world, {
        "/public/../private/x": "/private/x",
        "/private/a/%2e%2e/b": "/private/b",
        "/private/a/./b/": "/private/a/b/",
        "/private/a/..": "/private/",
        "/private/x?a=/../b": "/private/x?a=/../b",
        "/private/...": "/private/...",
        "/private/a..": "/private/a..",
      }),
  },
  {
    id: "B09",
    class: "path",
    name: "nothing is ever cut off a path (there are no prefixes to strip), so a route's neighbours are not within it",
    cases: (world) => [
      ...targets(world, NOWHERE, [
        "/public../private/x",
        "/public%2e%2e/private/x",
        "/public..",
        "/publicprivate/x",
        "/public%2e%2e",
      ]),
      ...targets(world, broken("target:dot-segment"), ["/based/%2e%2e/%2e%2e/x"]),
    ],
    story: (world) =>
      expectForwarded(world, {
        "/based/x": "/base/based/x",
        "/based/a/../x": "/base/based/x",
        "/based/a../x": "/base/based/a../x",
      }),
  },
  {
    id: "B10",
    class: "path",
    name: "an encoded dot is a dot for the route and for the app",
    cases: (world) => [
      ...targets(world, NOWHERE, ["/public%2e/x", "/public%2E/private/x", "/private%2ex"]),
      ...unkeyed(ANONYMOUS, ["/private/%2e/x", "/private/a%2e/x"]),
    ],
    story: (world) =>
      expectForwarded(world, { "/private/a%2e/x": "/private/a./x", "/private/a%2Eb%2E": "/private/a.b." }),
  },
  {
    id: "B11",
    class: "path",
    name: "escaped separators and control characters in a path are refused; in a query they pass as they are",
    cases: (world) => [
      ...targets(
        world,
        broken("target:escape"),
        [
          "%2f",
          "%2F",
          "%5c",
          "%5C",
          "%00",
          "%3b",
          "%3B",
          "%3f",
          "%3F",
          "%23",
          "%0a",
          "%0D",
          "%1f",
          "%7f",
          "%09",
        ].flatMap((escape) => [`/private${escape}x`, `/private/${escape}`, `/public/..${escape}private/x`]),
      ),
      ...targets(world, broken("target:character"), ["/private\\x", "\\private\\x", "/\\private/x"]),
    ],
    story: (world) => expectForwarded(world, { "/private/x?a=%2f%5c%00%3B%23": "/private/x?a=%2f%5c%00%3B%23" }),
  },
  {
    id: "B12",
    class: "path",
    name: "what is encoded twice is decoded no more than once, and goes on as it came",
    cases: (world) => [
      ...targets(world, NOWHERE, ["/%252e%252e%252fboss", "/%2562oss", "/%2570rivate/x"]),
      ...unkeyed(refused(401, "route:private"), ["/private/%252e%252e/public/x"]),
    ],
    story: (world) =>
      expectForwarded(world, {
        "/private/%252e%252e%252fboss": "/private/%252e%252e%252fboss",
        "/private/%252E%252E/boss": "/private/%252E%252E/boss",
        "/private/%25%32%65": "/private/%252e",
        "/private/%2500": "/private/%2500",
      }),
  },
  {
    id: "B13",
    class: "path",
    name: "other spellings of a path find the same rule or none at all: 403 or 404, never a way past it",
    cases: (world) => [
      ...targets(world, NOT_BOSS, ["/boss", "/boss/", "/boss/?a", "/boss?", "/./boss"]),
      ...targets(world, NOWHERE, ["/BOSS", "/Boss", "/boss/x", "/boss.", "/boss;a=1", "/boss%20", "/bos"]),
      ...targets(world, broken("target:empty-segment"), ["//boss", "/boss//", "//boss/", "/x//../boss"]),
      ...unkeyed(ANONYMOUS, ["/private/", "/private", "/private?", "/private/x/"]),
      ...unkeyed(NOWHERE, ["/PRIVATE/x", "/private;a/x"]),
    ],
  },
  {
    id: "B14",
    class: "path",
    name: "an encoded letter is that letter, for the route and for the app",
    cases: (world) => [
      ...targets(world, NOT_BOSS, ["/%62oss", "/b%6Fs%73", "/%62%6f%73%73"]),
      ...unkeyed(ANONYMOUS, ["/%70rivate/x", "/privat%65/x", "/%70%72%69%76%61%74%65/x"]),
    ],
    story: (world) =>
      expectForwarded(world, { "/%70rivate/%78%7E%2d%5F": "/private/x~-_", "/private/%41%20b": "/private/A%20b" }),
  },
  {
    id: "B15",
    class: "path",
    name: "an escape that is none, or no UTF-8, is refused",
    cases: (world) =>
      targets(world, broken("target:escape"), [
        "/private/%zz", "/private/%", "/private/%4", "/private/%%", "/private/%u002e", "/private/%-1", "/private/%c0%ae",
        "/private/%c0%af", "/private/%e0%80%ae", "/private/%ff", "/private/%80", "/private/%ed%a0%80", "/private/%f4%90%80%80",
        "/private/%c3", "/%c0%ae%c0%ae/boss",
      ]), // biome-ignore format: a list
    story: (world) =>
      expectForwarded(world, { "/private/%c3%bc": "/private/%c3%bc", "/private/%E2%82%AC": "/private/%E2%82%AC" }),
  },
  {
    id: "B16",
    class: "path",
    name: "a target is visible ASCII, and nothing else",
    cases: (world) =>
      [..."\t\x7f\0\x01\x0b\x0c\x1f\x80\x85\xa0\xe4\xff", " ", "\xc3\xbc"].flatMap((text) =>
        targets(world, broken("target:character"), [
          `/private/a${text}b`,
          `/private/x?a=${text}b`,
          `/${text}private/x`,
        ]),
      ),
  },
  {
    id: "B17",
    class: "path",
    name: "a target beyond 8 KiB is answered with 414, whatever its length and however it comes",
    cases: (world) =>
      [TARGET_BYTES_MAX + 1, 12_000, 17_000, 40_000, 70_000, 1024 * 1024].flatMap((bytes) =>
        ["/private/", "/private/x?a=", "http://test/private/"].map((start) => ({
          what: `${bytes} bytes: ${start}`,
          send: get(start.padEnd(bytes, "x"), keyOf(world)),
          expect: refused(414, "target:length", { close: true }),
        })),
      ),
    story: async (world) => {
      const longest = "/private/".padEnd(TARGET_BYTES_MAX, "x");
      await expectForwarded(world, { [longest]: longest });
      const large = requestHead("GET", "/private/x", [`X-Large: ${"x".repeat(20_000)}`]);
      const answer = await rawExchange(world.gateway.port, large, { responses: 1 });
      expect(answer.responses[0]?.status).toBe(431);
    },
  },
];
