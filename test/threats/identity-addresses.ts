/** C05, C06, C11: who the client is by its address, and what an upstream's answer may say. */
import { expect } from "vitest";
import { rawExchange } from "#test/support/raw.ts";
import { get, getPrivate, passed, passedAnonymously, refused } from "./expectations.ts";
import { type Case, type LoneRow, type Row, runCases } from "./runner.ts";
import { startWorld, type World } from "./world.ts";

const CLAIMED = [
  "X-Forwarded-For: 10.0.0.1",
  "X-Forwarded-Proto: https",
  "X-Forwarded-Host: evil.example",
  "X-Forwarded-Port: 443",
  "X-Forwarded-Prefix: /admin",
  "Forwarded: for=10.0.0.1;proto=https;host=evil.example",
  "X-Real-IP: 10.0.0.1",
  "True-Client-IP: 10.0.0.1",
];

export const IDENTITY_ADDRESSES: readonly Row[] = [
  {
    id: "C05",
    class: "identity",
    name: "forwarding headers of a peer that is not trusted are replaced by facts of the socket, also for limits",
    cases: ({ acme }) => [
      {
        what: "every forwarding header",
        send: get("/public/x", ...CLAIMED),
        expect: passedAnonymously({
          upstream: {
            equals: { "x-forwarded-for": "127.0.0.1", "x-forwarded-proto": "http", "x-forwarded-host": "test" },
            absent: ["forwarded", "x-real-ip", "x-forwarded-port", "x-forwarded-prefix", "true-client-ip"],
          },
        }),
      },
      {
        what: "the one request a day that this address has",
        send: get("/once/x", "X-Forwarded-For: 10.0.0.1", `X-Api-Key: ${acme.key}`),
        expect: passed(),
      },
      {
        what: "another claimed address is still the same socket",
        send: get("/once/x", "X-Forwarded-For: 10.0.0.2", "X-Real-IP: 10.0.0.3", `X-Api-Key: ${acme.key}`),
        expect: refused(429, "rate:once"),
      },
    ],
  },
  {
    id: "C11",
    class: "identity",
    name: "an upstream's limit and identity headers give way to the gateway's, and Set-Cookie lines are never merged",
    story: async ({ gateway, upstream, acme }) => {
      upstream.answer((_request, response) => {
        response.writeHead(200, HOSTILE_ANSWER).end("ok");
      });
      const answer = await rawExchange(gateway.port, get("/limited/x", `X-Api-Key: ${acme.key}`), { responses: 1 });
      upstream.answer();
      const [response] = answer.responses;
      expect(response?.status).toBe(200);
      const names = response?.rawHeaders.map(([name]) => name.toLowerCase()) ?? [];
      for (const name of ["x-consumer-id", "x-tollgate-account", "x-ratelimit-limit", "x-named", "proxy-authenticate"])
        expect.soft(names, name).not.toContain(name);
      expect.soft(response?.header("ratelimit")).toMatch(/"many";r=\d+/);
      expect.soft(response?.header("x-request-id")).not.toContain("evil");
      const cookies = response?.rawHeaders.filter(([name]) => name.toLowerCase() === "set-cookie");
      expect.soft(cookies?.map(([, value]) => value)).toEqual(["a=1, b", "c=2"]);
    },
  },
  {
    id: "C11",
    class: "identity",
    name: "an upstream that lists Set-Cookie in `Connection` loses it, as of any hop-by-hop header",
    story: async ({ gateway, upstream, acme }) => {
      upstream.answer((_request, response) => {
        response.writeHead(200, ["Connection", "Set-Cookie", "Set-Cookie", "a=1", "X-Kept", "1"]).end("ok");
      });
      const answer = await rawExchange(gateway.port, getPrivate(`X-Api-Key: ${acme.key}`), { responses: 1 });
      upstream.answer();
      expect(answer.responses[0]?.status).toBe(200);
      expect(answer.responses[0]?.header("set-cookie")).toBeNull();
      expect(answer.responses[0]?.header("x-kept")).toBe("1");
    },
  },
];

const HOSTILE_ANSWER = [
  "X-RateLimit-Limit",
  "999",
  "RateLimit",
  '"evil";r=999',
  "RateLimit-Policy",
  '"evil";q=999',
  "X-Consumer-Id",
  "evil",
  "X-Tollgate-Account",
  "evil",
  "x-request-id",
  "evil",
  "Connection",
  "X-Named",
  "X-Named",
  "1",
  "Proxy-Authenticate",
  "Basic",
  "Set-Cookie",
  "a=1, b",
  "Set-Cookie",
  "c=2",
];

export const TRUSTED_PROXIES: readonly LoneRow[] = [
  {
    id: "C06",
    class: "identity",
    name: "behind trusted proxies the right-most untrusted hop is the client, and a malformed chain leaves the socket's address",
    proof: async () => {
      await using world = await startWorld({ server: { trustedProxies: ["127.0.0.0/8", "10.0.0.0/8", "fd00::/8"] } });
      await runCases(world, chainCases(world));
    },
  },
];

/** Each address has one request: the second one of a pair shows that both chains lead to the same client. */
function chainCases({ acme }: World): readonly Case[] {
  const from = (chain: string) => get("/once/x", `X-Forwarded-For: ${chain}`, `X-Api-Key: ${acme.key}`);
  const same = (what: string, first: string, second: string): readonly Case[] => [
    {
      what: `${what}: first`,
      send: from(first),
      expect: passed({ upstream: { equals: { "x-forwarded-for": `${first}, 127.0.0.1` } } }),
    },
    { what: `${what}: second`, send: from(second), expect: refused(429, "rate:once") },
  ];
  return [
    ...same("three hops", "203.0.113.7, 10.1.1.1, 10.2.2.2", "198.18.0.1, 203.0.113.7, 10.3.3.3"),
    ...same("a port", "203.0.113.8:4711, 10.1.1.1", "203.0.113.8"),
    ...same("IPv6, its port and spelling", "[2001:db8::1]:443", "2001:0DB8:0:0::1"),
    ...same("an IPv6 zone", "2001:db8:1::1%eth0", "2001:db8:1::1"),
    ...same("IPv4 within IPv6", "::ffff:203.0.113.9", "203.0.113.9"),
    ...same("what the client itself claimed stays to the left", "nonsense, 203.0.113.10", "203.0.113.10, 10.9.9.9"),
    ...same("malformed where it matters", "203.0.113.11, nonsense", "203.0.113.12, 1.2.3, 10.1.1.1"),
    {
      what: "no chain is the same socket",
      send: get("/once/x", `X-Api-Key: ${acme.key}`),
      expect: refused(429, "rate:once"),
    },
  ];
}
