/** I08: one caller, one bucket, however it spells itself: cases, ports, prefixes, dots and encodings make no new one. */
import { expect } from "vitest";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { rawExchange, requestHead } from "#test/support/raw.ts";
import { ADMIN_TOKEN, type Scene, startScene } from "#test/support/scene.ts";
import type { LoneRow } from "./runner.ts";

/** Spellings of one caller, each a whole request; all of them share a bucket that has one token for each. */
interface Group {
  readonly what: string;
  readonly requests: readonly string[];
}

export const LIMITS_KEYS: readonly LoneRow[] = [
  {
    id: "I08",
    class: "limits",
    name: "spellings of one host, path, address, key or user draw from one bucket, and another one's is its own",
    proof: async () => {
      await using jwks = await startJwks(makeKey("ES256"));
      await using scene = await keyScene(jwks.issuer, jwks.url);
      const key = await scene.operator.key();
      await scene.operator.account({ externalId: "acme" });
      const token = (sub: string, device: string) =>
        `Authorization: Bearer ${jwks.token({ claims: { aud: "api", sub, device, project: "acme" } })}`;
      for (const group of groupsOf(key.secret, token)) await expectOneBucket(scene, group);
    },
  },
];

const TOKENS = { limit: 1, per: "1h" };
const RATES = {
  route: { ...TOKENS, by: "route" },
  address: { ...TOKENS, by: "ip" },
  key: { ...TOKENS, by: "key" },
  user: { ...TOKENS, by: "user" },
  claim: { ...TOKENS, by: "claim:device" },
};

function keyScene(issuer: string, jwks: string): Promise<Scene> {
  const burst = 6;
  const rates = Object.fromEntries(Object.entries(RATES).map(([name, rate]) => [name, { ...rate, burst }]));
  return startScene({
    config: {
      server: { workers: 2, adminToken: ADMIN_TOKEN, trustedProxies: ["127.0.0.0/8"] },
      identity: { issuers: [{ name: "main", issuer, jwks, audiences: ["api"], claims: { account: "project" } }] },
      rates,
      routes: [
        {
          name: "models",
          match: { host: "api.example.com", path: "/models/{id}" },
          auth: "none",
          upstream: "app",
          rates: ["route"],
        },
        { name: "ip", match: { path: "/ip" }, auth: "none", upstream: "app", rates: ["address"] },
        ...["key", "user", "claim"].map((rate) => ({
          name: rate,
          match: { path: `/${rate}` },
          upstream: "app",
          rates: [rate],
        })),
      ],
    },
  });
}

function groupsOf(secret: string, token: (sub: string, device: string) => string): readonly Group[] {
  const host = (name: string, path: string) => requestHead("GET", path, [`Host: ${name}`]);
  const from = (address: string) => requestHead("GET", "/ip", [`X-Forwarded-For: ${address}`]);
  return [
    {
      what: "host and path",
      requests: [
        host("api.example.com", "/models/abc"),
        host("API.Example.COM", "/models/abc"),
        host("api.example.com.", "/models/abc"),
        host("api.example.com:80", "/models/%61%62c"),
        host("api.example.com", "/x/../models/./abc"),
        host("api.example.com", "/models/abc?x=1"),
      ],
    },
    {
      what: "IPv6 by /64",
      requests: [
        "2001:db8:1:2::1",
        "2001:DB8:1:2:FFFF:ffff:ffff:ffff",
        "[2001:db8:1:2::3]:443",
        "2001:0db8:0001:0002:0000:0000:0000:0004",
        "2001:db8:1:2::5%eth0",
        "2001:db8:1:2:0:0:192.0.2.33",
      ].map(from),
    },
    { what: "another /64", requests: [1, 2, 3, 4, 5, 6].map((n) => from(`2001:db8:1:3::${n}`)) },
    {
      what: "IPv4",
      requests: [
        "203.0.113.9",
        "::ffff:203.0.113.9",
        "::FFFF:cb00:7109",
        "203.0.113.9:8080",
        "[::ffff:203.0.113.9]:1",
        "198.51.100.1, 203.0.113.9",
      ].map(from),
    },
    {
      what: "key",
      requests: [
        `Authorization: Bearer ${secret}`,
        `authorization: bearer ${secret}`,
        `AUTHORIZATION: BEARER ${secret}`,
        `X-Api-Key: ${secret}`,
        `x-api-key: ${secret}`,
        `Authorization: Bearer ${secret}`,
      ].map((line) => requestHead("GET", "/key", [line])),
    },
    {
      what: "user, by tokens of their own",
      requests: [1, 2, 3, 4, 5, 6].map((n) => requestHead("GET", "/user", [token("ann", `device${n}`)])),
    },
    {
      what: "claim, by other users' tokens",
      requests: [1, 2, 3, 4, 5, 6].map((n) => requestHead("GET", "/claim", [token(`user${n}`, "phone")])),
    },
    {
      what: "a claim that looks like another's",
      requests: [1, 2, 3, 4, 5, 6].map((n) =>
        requestHead("GET", "/claim", [token(`user${n}`, "phone|claim:device:phone")]),
      ),
    },
  ];
}

async function statusesOf({ gateway }: Scene, requests: readonly string[]): Promise<readonly (number | undefined)[]> {
  const statuses: (number | undefined)[] = [];
  for (const request of requests) {
    const { responses } = await rawExchange(gateway.port, request, { responses: 1, idleMs: 5000 });
    statuses.push(responses[0]?.status);
  }
  return statuses;
}

async function expectOneBucket(scene: Scene, { what, requests }: Group): Promise<void> {
  // As many tokens as spellings: each passes once, and then none.
  expect.soft(await statusesOf(scene, requests), what).toEqual(requests.map(() => 200));
  expect.soft(await statusesOf(scene, requests), `${what} again`).toEqual(requests.map(() => 429));
}
