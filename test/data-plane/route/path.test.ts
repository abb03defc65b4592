/** Request targets: normalised once and for all, or refused. What two parsers could read in two ways never gets through. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { isRefusal } from "#data-plane/exchange.ts";
import { readTarget, type Target } from "#data-plane/route/path.ts";

function accepted(raw: string): Target {
  const target = readTarget(raw);
  if (isRefusal(target)) throw new Error(`Refused by ${target.rule}`);
  return target;
}

test.each([
  ["/", "/", []],
  ["/a", "/a", ["a"]],
  ["/a/", "/a/", ["a"]],
  ["/a/b?x=1&y=%2F", "/a/b?x=1&y=%2F", ["a", "b"]],
  ["/a?", "/a?", ["a"]],
  ["/?a=/../b", "/?a=/../b", []],
  ["/%61dmin", "/admin", ["admin"]],
  ["/%41%7E%2D%5F", "/A~-_", ["A~-_"]],
  ["/a/./b", "/a/b", ["a", "b"]],
  ["/a/../b", "/b", ["b"]],
  ["/a/b/..", "/a/", ["a"]],
  ["/a/b/.", "/a/b/", ["a", "b"]],
  ["/a/..", "/", []],
  ["/.", "/", []],
  ["/a/%2e%2e/b", "/b", ["b"]],
  ["/a/%2E./b", "/b", ["b"]],
  ["/a/.%2e/b", "/b", ["b"]],
  ["/a/%2e/b", "/a/b", ["a", "b"]],
  ["/...", "/...", ["..."]],
  ["/..a/b..", "/..a/b..", ["..a", "b.."]],
  ["/.well-known/x", "/.well-known/x", [".well-known", "x"]],
  ["/a;v=1/b", "/a;v=1/b", ["a;v=1", "b"]],
  ["/a%20b", "/a%20b", ["a%20b"]],
  ["/caf%C3%A9", "/caf%C3%A9", ["caf%C3%A9"]],
  ["/%252e%252e/x", "/%252e%252e/x", ["%252e%252e", "x"]],
  ["/%25", "/%25", ["%25"]],
  ["/a%3Ab", "/a%3Ab", ["a%3Ab"]],
  ["/a@b:c", "/a@b:c", ["a@b:c"]],
])("%s becomes %s", (raw, text, segments) => {
  expect(accepted(raw)).toMatchObject({ text, segments, authority: null });
});

test.each([
  ["http://a.test/x?y", "/x?y", "a.test"],
  ["HTTPS://A.test:8443/%61", "/a", "A.test:8443"],
  ["http://a.test", "/", "a.test"],
  ["http://a.test?q=1", "/?q=1", "a.test"],
  ["http://[::1]:80/x", "/x", "[::1]:80"],
  // Whole, so that the reading of the head refuses it: `u` must never pass for the host, nor `@a.test` for a path.
  ["http://u@a.test/x", "/x", "u@a.test"],
  ["http://u:p@a.test/x", "/x", "u:p@a.test"],
])("the absolute form %s is %s of %s", (raw, text, authority) => {
  expect(accepted(raw)).toMatchObject({ text, authority });
});

test.each([
  ["a target without a slash", "admin", "target:form"],
  ["an empty target", "", "target:form"],
  ["a query alone", "?x", "target:form"],
  ["an asterisk", "*", "target:form"],
  ["an authority", "a.test:443", "target:form"],
  ["another scheme", "ftp://a.test/x", "target:form"],
  ["a scheme without an authority", "http:///x", "target:form"],
  ["a fragment", "/a#b", "target:character"],
  ["a fragment in the query", "/a?b#c", "target:character"],
  ["a backslash", "/a\\b", "target:character"],
  ["a backslash in the query", "/a?b\\c", "target:character"],
  ["a space", "/a b", "target:character"],
  ["a tab", "/a\tb", "target:character"],
  ["DEL", "/a\x7f", "target:character"],
  ["NUL", "/a\0", "target:character"],
  ["a line end", "/a\r\nHost: x", "target:character"],
  ["a raw byte beyond ASCII", "/caf\xe9", "target:character"],
  ["an escaped slash", "/a%2fb", "target:escape"],
  ["an escaped slash in upper case", "/a%2Fb", "target:escape"],
  ["an escaped backslash", "/a%5Cb", "target:escape"],
  ["an escaped NUL", "/a%00", "target:escape"],
  ["an escaped line feed", "/a%0ab", "target:escape"],
  ["an escaped tab", "/a%09b", "target:escape"],
  ["an escaped DEL", "/a%7f", "target:escape"],
  ["an escaped semicolon", "/a%3bb", "target:escape"],
  ["an escaped question mark", "/a%3Fb", "target:escape"],
  ["an escaped hash", "/a%23b", "target:escape"],
  ["a broken escape", "/a%zz", "target:escape"],
  ["half an escape", "/a%4", "target:escape"],
  ["a bare percent", "/a%", "target:escape"],
  ["an escape of IIS", "/%u002e", "target:escape"],
  ["an overlong slash", "/%c0%af", "target:escape"],
  ["an overlong dot", "/%c0%ae%c0%ae/x", "target:escape"],
  ["half a character", "/%e2%82", "target:escape"],
  ["an escaped surrogate", "/%ed%a0%80", "target:escape"],
  ["latin1", "/caf%e9", "target:escape"],
  ["an empty segment", "/a//b", "target:empty-segment"],
  ["an empty first segment", "//a", "target:empty-segment"],
  ["an empty segment behind an authority", "http://a.test//b", "target:empty-segment"],
  ["an empty last segment", "/a//", "target:empty-segment"],
  ["an empty segment that dots hide", "/a/.//b", "target:empty-segment"],
  ["a climb above the root", "/..", "target:dot-segment"],
  ["an escaped climb above the root", "/%2e%2e/x", "target:dot-segment"],
  ["a later climb above the root", "/a/../../x", "target:dot-segment"],
  ["dots with a parameter", "/a/..;/b", "target:dot-segment"],
  ["a dot with a parameter", "/a/.;x=1/b", "target:dot-segment"],
  ["escaped dots with a parameter", "/a/%2e%2e;/b", "target:dot-segment"],
  ["65 segments", "/a".repeat(65), "target:segments"],
])("%s is refused and ends the connection", (_what, raw, rule) => {
  const target = readTarget(raw);
  expect(target).toMatchObject({ code: "malformed_request", rule, close: true });
});

test("8192 bytes and 64 segments are enough, one more is too much", () => {
  expect(accepted(`/${"a".repeat(8_191)}`).segments).toHaveLength(1);
  expect(accepted("/a".repeat(64)).segments).toHaveLength(64);
  expect(readTarget(`/${"a".repeat(8_192)}`)).toMatchObject({ code: "target_too_long", close: true });
});

/** Pieces that make trouble together. */
const piece = fc.constantFrom(
  "/", "/", "/", ".", "..", "a", "B", "~", ";", "=", ":", "%", "%2e", "%2E", "%61", "%2f", "%5c", "%25", "%252e", "%3b", "%c3%a9",
  "%C3", "%00", "%7e", "?", "\\", "#", "@", "http:", "é", " ",
); // biome-ignore format: a list
const target = fc.array(piece, { maxLength: 14 }).map((pieces) => `/${pieces.join("")}`);

test("what is accepted stays as it is when it is read again, and has no dot, empty or hidden segments", () => {
  let accepts = 0;
  fc.assert(
    fc.property(target, (raw) => {
      const first = readTarget(raw);
      if (isRefusal(first)) return;
      accepts++;
      expect(readTarget(first.text)).toEqual(first);
      const [path = ""] = first.text.split("?", 1);
      expect(first.segments).toEqual(path === "/" ? [] : path.replace(/\/$/, "").split("/").slice(1));
      for (const segment of first.segments) {
        expect(["", ".", ".."]).not.toContain(segment);
        // Decoded once more, as apps do, it is still one segment and no dots.
        const decoded = decodeURIComponent(segment);
        expect(decoded).not.toMatch(/[/\\\0]/);
        expect(["", ".", ".."]).not.toContain(decoded);
      }
    }),
    { numRuns: 5_000 },
  );
  expect(accepts).toBeGreaterThan(250);
});

test("it agrees with the URL parser wherever that changes nothing else", () => {
  fc.assert(
    fc.property(target, (raw) => {
      const read = readTarget(raw);
      if (isRefusal(read)) return;
      // The URL parser resolves dots, escaped ones too, but leaves the escapes of other unreserved characters alone.
      const { pathname } = new URL(read.text, "http://a.test");
      expect(pathname).toBe(read.text.split("?", 1)[0]);
    }),
    { numRuns: 2_000 },
  );
});
