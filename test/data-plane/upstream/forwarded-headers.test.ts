/** Who the client is: believed of trusted proxies, link by link from the right, and of nobody else. */
import fc from "fast-check";
import { expect, test } from "vitest";
import { addressSet } from "#core/addresses.ts";
import { isRefusal } from "#data-plane/exchange.ts";
import { addForwardedHeaders, clientAddressOf } from "#data-plane/upstream/forwarded-headers.ts";
import { type Asked, exchangeOf, passageOf } from "#test/data-plane/passage-of.ts";

const TRUSTED = addressSet(["10.0.0.0/8", "2001:db8::/32"]);

function client(peerAddress: string, ...chains: readonly string[]): string {
  const rawHeaders = ["Host", "a.test", ...chains.flatMap((chain) => ["X-Forwarded-For", chain])];
  const { head, peer } = exchangeOf({ rawHeaders, peerAddress });
  if (isRefusal(head)) throw new Error(`Refused by ${head.rule}`);
  return clientAddressOf(peer, head, TRUSTED);
}

test.each<readonly [what: string, peer: string, chains: readonly string[], address: string]>([
  ["no proxy, no chain", "192.0.2.1", [], "192.0.2.1"],
  ["no proxy, a chain made up", "192.0.2.1", ["203.0.113.9"], "192.0.2.1"],
  ["no proxy, a chain that names trusted ones", "192.0.2.1", ["10.0.0.1"], "192.0.2.1"],
  ["a mapped peer that is no proxy", "::ffff:192.0.2.1", ["203.0.113.9"], "192.0.2.1"],
  ["a proxy without a chain", "10.0.0.1", [], "10.0.0.1"],
  ["a proxy with a client", "10.0.0.1", ["203.0.113.9"], "203.0.113.9"],
  ["a mapped proxy with a client", "::ffff:10.0.0.1", ["203.0.113.9"], "203.0.113.9"],
  ["an IPv6 proxy with an IPv6 client", "2001:db8::5", ["2a00::0001"], "2a00::1"],
  ["a link the client put in front", "10.0.0.1", ["1.1.1.1, 203.0.113.9"], "203.0.113.9"],
  ["two proxies", "10.0.0.1", ["203.0.113.9, 10.0.0.2"], "203.0.113.9"],
  ["two proxies, the inner one mapped", "10.0.0.1", ["203.0.113.9, ::ffff:10.0.0.2"], "203.0.113.9"],
  ["two proxies, the inner one mapped in hexadecimal", "10.0.0.1", ["203.0.113.9, ::ffff:a00:2"], "203.0.113.9"],
  ["a chain in two lines", "10.0.0.1", ["1.1.1.1, 203.0.113.9", "10.0.0.2"], "203.0.113.9"],
  ["trusted ones all the way", "10.0.0.1", ["10.0.0.3, 10.0.0.2"], "10.0.0.3"],
  ["a client with a port", "10.0.0.1", ["203.0.113.9:4711"], "203.0.113.9"],
  ["an IPv6 client in brackets", "10.0.0.1", ["[2a00::1]:4711"], "2a00::1"],
  ["blanks around", "10.0.0.1", ["  203.0.113.9\t,10.0.0.2 "], "203.0.113.9"],
  ["no address at the right", "10.0.0.1", ["203.0.113.9, unknown"], "10.0.0.1"],
  ["no address behind a trusted one", "10.0.0.1", ["unknown, 10.0.0.2"], "10.0.0.1"],
  ["no address in front of the client", "10.0.0.1", ["unknown, 203.0.113.9"], "203.0.113.9"],
  ["an empty chain", "10.0.0.1", [""], "10.0.0.1"],
  ["an empty last link", "10.0.0.1", ["203.0.113.9,"], "10.0.0.1"],
])("%s", (_what, peer, chains, address) => {
  expect(client(peer, ...chains)).toBe(address);
});

test("whatever a client writes in front of the chain changes nothing", () => {
  const link = fc.oneof(fc.ipV4(), fc.ipV6(), fc.constantFrom("10.0.0.9", "unknown", "", "127.0.0.1", "a, b"));
  fc.assert(
    fc.property(fc.array(link, { maxLength: 6 }), fc.nat({ max: 3 }), (forged, proxies) => {
      const inner = Array.from({ length: proxies }, (_, index) => `10.0.1.${index}`);
      expect(client("10.0.0.1", [...forged, "203.0.113.9", ...inner].join(", "))).toBe("203.0.113.9");
      expect(client("203.0.113.9", [...forged, ...inner].join(", "))).toBe("203.0.113.9");
    }),
  );
});

function forwarded(asked: Asked): Readonly<Record<string, string>> {
  const passage = passageOf(asked);
  if (isRefusal(passage)) throw new Error(`Refused by ${passage.rule}`);
  const headers: string[] = [];
  addForwardedHeaders(headers, passage);
  expect(headers.length).toBe(new Set(headers.filter((_, index) => index % 2 === 0)).size * 2);
  return Object.fromEntries(Array.from({ length: headers.length / 2 }, (_, i) => [headers[2 * i], headers[2 * i + 1]]));
}

const CLAIMED = ["X-Forwarded-For", "203.0.113.9", "X-Forwarded-Proto", "https", "X-Forwarded-Host", "public.test"];

test("from anyone else the chain starts anew with the socket", () => {
  expect(forwarded({ rawHeaders: ["Host", "a.test", ...CLAIMED] })).toEqual({
    "x-forwarded-for": "192.0.2.1",
    "x-forwarded-proto": "http",
    "x-forwarded-host": "a.test",
  });
});

test("from a trusted proxy the chain is continued, and its word on scheme and host passed on", () => {
  expect(forwarded({ rawHeaders: ["Host", "a.test", ...CLAIMED], peerAddress: "::ffff:10.0.0.1" })).toEqual({
    "x-forwarded-for": "203.0.113.9, 10.0.0.1",
    "x-forwarded-proto": "https",
    "x-forwarded-host": "public.test",
  });
});

test("a trusted proxy that says nothing, or nothing in an empty chain, adds nothing", () => {
  const peerAddress = "10.0.0.1";
  const plain = { "x-forwarded-for": "10.0.0.1", "x-forwarded-proto": "https", "x-forwarded-host": "a.test" };
  expect(forwarded({ rawHeaders: ["Host", "a.test"], peerAddress, encrypted: true })).toEqual(plain);
  expect(forwarded({ rawHeaders: ["Host", "a.test", "X-Forwarded-For", ""], peerAddress, encrypted: true })).toEqual(
    plain,
  );
});
