/** Addresses: one spelling for each, one limit for an IPv6 customer, and CIDR blocks that end where they end. */
import fc from "fast-check";
import { expect, test } from "vitest";
import {
  addressSet,
  canonicalAddress,
  canonicalBlock,
  isInSet,
  isWithinBlocks,
  limitAddress,
} from "#core/addresses.ts";

test.each([
  ["192.0.2.1", "192.0.2.1"],
  ["::ffff:192.0.2.1", "192.0.2.1"],
  ["::FFFF:192.0.2.1", "192.0.2.1"],
  ["::ffff:c000:0201", "192.0.2.1"],
  ["0:0:0:0:0:ffff:192.0.2.1", "192.0.2.1"],
  ["0:0:0:0:0:FFFF:c000:201", "192.0.2.1"],
  ["::1", "::1"],
  ["0:0:0:0:0:0:0:1", "::1"],
  ["2001:DB8::0001", "2001:db8::1"],
  ["2001:db8:0:0:1:0:0:1", "2001:db8::1:0:0:1"],
  ["fe80::1%eth0", "fe80::1"],
  ["fe80::1%25eth0", "fe80::1"],
  ["::192.0.2.1", "::c000:201"],
  ["64:ff9b::192.0.2.1", "64:ff9b::c000:201"],
])("%s is %s", (text, address) => {
  expect(canonicalAddress(text)).toBe(address);
});

test.each([
  "", "localhost", "192.0.2", "192.0.2.256", "192.0.02.1", "0xc0.0.2.1", "3221225985", "192.0.2.1:80", "192.0.2.1%eth0",
  "[::1]", "::1 ", " ::1", ":::", "1::2::3", "2001:db8::g", "::ffff:192.0.2.256", "%eth0", "unknown", "192.0.2.1\n",
])("%j is no address", (text) => {
  expect(canonicalAddress(text)).toBeNull();
}); // biome-ignore format: a list

test("every spelling of an IPv6 address has the same canonical one, which stays as it is", () => {
  const groups = fc.array(fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff })), {
    minLength: 8,
    maxLength: 8,
  });
  fc.assert(
    fc.property(groups, (words) => {
      const long = words.map((word) => word.toString(16).padStart(4, "0")).join(":");
      const canonical = canonicalAddress(long);
      expect(canonicalAddress(long.toUpperCase())).toBe(canonical);
      expect(canonicalAddress(words.map((word) => word.toString(16)).join(":"))).toBe(canonical);
      expect(canonicalAddress(canonical ?? "")).toBe(canonical);
    }),
  );
});

test("IPv6 limits belong to the /64, whatever the rest of the address and however it is shortened", () => {
  const word = fc.oneof(fc.constant(0), fc.integer({ min: 0, max: 0xffff }));
  const words = fc.array(word, { minLength: 4, maxLength: 4 });
  fc.assert(
    fc.property(words, words, words, (network, one, other) => {
      // ::ffff:0:0/96 is IPv4.
      fc.pre([one, other].every((host) => network.some((part) => part !== 0) || host[0] !== 0 || host[1] !== 0xffff));
      const [a = "", b = ""] = [one, other].map((host) =>
        limitAddress(canonicalAddress([...network, ...host].map((part) => part.toString(16)).join(":")) ?? ""),
      );
      expect(a).toBe(b);
      expect(a).toBe(`${network.map((part) => part.toString(16)).join(":")}::/64`);
    }),
  );
});

test("IPv4 limits belong to the address, mapped or not", () => {
  expect(limitAddress("192.0.2.1")).toBe("192.0.2.1");
  expect(limitAddress(canonicalAddress("::ffff:192.0.2.1") ?? "")).toBe("192.0.2.1");
  expect(limitAddress("192.0.2.2")).not.toBe(limitAddress("192.0.2.1"));
});

test("neighbouring /64 networks have limits of their own", () => {
  expect(limitAddress("2001:db8:0:1::1")).not.toBe(limitAddress("2001:db8:0:2::1"));
  expect(limitAddress("2001:db8::1")).toBe("2001:db8:0:0::/64");
  expect(limitAddress("::1")).toBe("0:0:0:0::/64");
});

const SET = addressSet(["10.0.0.0/8", "192.0.2.7", "2001:db8::/32", "fd00::1"]);

test.each([
  ["10.0.0.0", true],
  ["10.255.255.255", true],
  ["9.255.255.255", false],
  ["11.0.0.0", false],
  ["192.0.2.7", true],
  ["192.0.2.8", false],
  ["2001:db8:ffff:ffff:ffff:ffff:ffff:ffff", true],
  ["2001:db9::", false],
  ["fd00::1", true],
  ["fd00::2", false],
  ["::1", false],
])("%s is in the set: %s", (address, expected) => {
  expect(isInSet(SET, address)).toBe(expected);
});

test("an empty set holds nothing, 0.0.0.0/0 all of IPv4 and ::/0 all of IPv6", () => {
  const probes = ["0.0.0.0", "127.0.0.1", "255.255.255.255", "::", "::1", "ffff::1"];
  const inside = (entries: readonly string[]) => probes.map((address) => isInSet(addressSet(entries), address));
  expect(inside([])).toEqual([false, false, false, false, false, false]);
  expect(inside(["0.0.0.0/0"]).slice(0, 4)).toEqual([true, true, true, false]);
  expect(inside(["::/0"]).slice(3)).toEqual([true, true, true]);
});

test.each([
  ["10.1.2.3", ["10.0.0.0/8"], true],
  ["10.0.0.0/8", ["10.0.0.0/8"], true],
  ["10.0.0.0/7", ["10.0.0.0/8"], false],
  ["10.0.0.0/8", ["10.0.0.0/9", "10.128.0.0/9"], false],
  ["11.0.0.0/8", ["10.0.0.0/8", "11.0.0.0/8"], true],
  ["2001:db8:1::/48", ["2001:db8::/32"], true],
  ["2001:db8::/31", ["2001:db8::/32"], false],
  ["10.0.0.1", ["::/0"], true],
  ["::/0", ["0.0.0.0/0"], false],
  ["10.0.0.1", ["2001:db8::/32"], false],
  ["10.0.0.1", [], false],
])("%s is within %j: %s", (block, blocks, expected) => {
  expect(isWithinBlocks(block, blocks)).toBe(expected);
});

test("what is within a block has no address outside of it", () => {
  const block = fc.tuple(fc.ipV4(), fc.integer({ min: 0, max: 32 })).map(([address, bits]) => `${address}/${bits}`);
  fc.assert(
    fc.property(block, block, fc.ipV4(), (inner, outer, address) => {
      const isOutside = isInSet(addressSet([inner]), address) && !isInSet(addressSet([outer]), address);
      expect(isWithinBlocks(inner, [outer]) && isOutside).toBe(false);
    }),
    { numRuns: 5000 },
  );
});

test.each([
  ["192.0.2.7", "192.0.2.7"],
  ["::FFFF:192.0.2.7", "192.0.2.7"],
  ["2001:DB8::/32", "2001:db8::/32"],
  ["10.0.0.0/08", null],
  ["10.0.0.0/", null],
  ["10.0.0.0/8/8", null],
  ["10.0.0.0/-1", null],
  ["::/129", null],
  ["fe80::1%eth0", null],
  ["10.0.0", null],
  ["", null],
])("the block %j is %j", (textOf, block) => {
  expect(canonicalBlock(textOf)).toBe(block);
});
