/**
 * G09: names that nobody has, one after the other: keys, kids and addresses. What is remembered of them is bounded, and pushes out
 * nothing that is good. Addresses, and tables that are full: `test/blackbox/limits-flood.test.ts`; fetches of key sets: D-rows, `jwt-fetches.ts`.
 */
import { expect } from "vitest";
import { keyHash } from "#core/key-hash.ts";
import { newKey, STANDARD_FORMAT } from "#core/key-format.ts";
import { ControlLink } from "#data-plane/identity/control-link.ts";
import { digestOf } from "#data-plane/identity/credentials.ts";
import { Directory } from "#data-plane/identity/directory.ts";
import type { FromWorker } from "#shared/messages.ts";
import { type KeyRecord, UNNARROWED } from "#shared/principals.ts";
import { openCrowd } from "#test/support/crowd.ts";
import { startJwks } from "#test/support/jwks.ts";
import { makeKey } from "#test/support/jwt.ts";
import { openConnection } from "#test/support/connection.ts";
import { requestHead } from "#test/support/raw.ts";
import type { Lane } from "#test/support/lanes.ts";
import { residentBytes, startDos } from "./dos-world.ts";
import { encodedParts } from "./jws.ts";
import type { LoneRow } from "./runner.ts";

const IS_SOAK = process.env.TOLLGATE_SOAK === "1";
/** Keys in process. */
const STRANGERS = IS_SOAK ? 1_000_000 : 100_000;
/** Of each kind through the gateway, where each is a look into the store; a worker remembers 10,000 keys it does not know. */
const FLOOD = IS_SOAK ? 100_000 : process.env.TOLLGATE_LONG === "1" ? 15_000 : 2_000;
const CROWD = 100;
const MIB = 1024 * 1024;
const GROWTH_MAX = 48 * MIB;
/** Of a whole process: its heaps grow and shrink by tens of MiB under load. */
const PROCESS_GROWTH_MAX = 128 * MIB;

/** The part that remembers, by itself: at full scale. */
export const DOS_CACHES: readonly LoneRow[] = [
  {
    id: "G09",
    class: "dos",
    name: `${STRANGERS.toLocaleString("en")} keys that nobody has: memory is bounded, and a good key that was asked for first is still known`,
    timeoutMs: 180_000,
    proof: strangersInProcess,
  },
];

export function dosCaches(lane: Lane): readonly LoneRow[] {
  return [
    {
      id: "G09",
      class: "dos",
      name: `${FLOOD.toLocaleString("en")} unknown keys, kids and addresses each: 401 or served, the gateway's memory stays, good callers pass at once`,
      timeoutMs: 600_000,
      proof: () => strangersAtTheDoor(lane),
    },
  ];
}

/** As good as random ones, and sooner made. */
const stranger = (number: number) => `tg_sk_live_stranger${number}`;

async function strangersInProcess(): Promise<void> {
  const pepper = new Uint8Array(32);
  const good = newKey(STANDARD_FORMAT, "live");
  const hash = keyHash(good, pepper);
  let asked = 0;
  const record: KeyRecord = {
    id: "key_1",
    accountId: "acct_1",
    roles: [],
    scopes: null,
    expiresAtMs: null,
    revoked: false,
    enabled: true,
    retiresAtMs: null,
    narrowing: UNNARROWED,
    limits: null,
  };
  const post = (message: FromWorker) => {
    if (message.type !== "ask" || message.question.kind !== "key") return;
    asked++;
    link.answered(message.id, { kind: "key", key: message.question.hash === hash ? record : null });
  };
  const link: ControlLink = new ControlLink(post);
  const directory = new Directory(link, pepper);
  const ask = (key: string) => directory.key(key, digestOf(key));
  expect(await ask(good)).toBe(record);
  let atHalf = 0;
  for (let number = 0; number < STRANGERS; number++) {
    await ask(stranger(number));
    if (number === STRANGERS / 2) atHalf = process.memoryUsage().heapUsed;
  }
  expect(asked).toBe(STRANGERS + 1);
  expect(process.memoryUsage().heapUsed - atHalf).toBeLessThan(GROWTH_MAX);
  // The first strangers are forgotten, the last one is not.
  expect([stranger(0), stranger(STRANGERS - 1)].map(ask).map((answer) => answer instanceof Promise)).toEqual([
    true,
    false,
  ]);
  expect(asked).toBe(STRANGERS + 2);
  // Remembered: no promise, no question.
  expect(ask(good)).toBe(record);
  expect(asked).toBe(STRANGERS + 2);
}

async function strangersAtTheDoor(lane: Lane): Promise<void> {
  await using jwks = await startJwks(makeKey("ES256", "good"));
  await using scene = await startDos(lane, {
    server: { trustedProxies: ["127.0.0.1"] },
    config: {
      identity: {
        issuers: [
          { name: "main", issuer: jwks.issuer, jwks: jwks.url, audiences: ["api"], claims: { account: "project" } },
        ],
      },
      rates: { address: { limit: 100, per: "1s", by: "ip" } },
      routes: [
        { name: "open", match: { path: "/open/**" }, upstream: "app", auth: "none", rates: ["address"] },
        { name: "all", match: { path: "/**" }, upstream: "app", meters: { api_calls: 1 } },
      ],
    },
  });
  const { gateway, operator } = scene;
  const key = await operator.key();
  const token = `Authorization: Bearer ${jwks.token({ claims: { aud: "api", sub: "u", project: "acme" } })}`;
  using friend = await openConnection(gateway.port);
  const pass = async () => [
    (await friend.ask("GET", "/x", [key.line])).status,
    (await friend.ask("GET", "/x", [token])).status,
  ];
  expect(await pass()).toEqual([200, 200]);
  const claims = { iss: jwks.issuer, aud: "api", exp: 4_000_000_000 };
  const kinds: readonly (readonly [string, (number: number) => string])[] = [
    ["keys", () => requestHead("GET", "/x", [`X-Api-Key: ${newKey(STANDARD_FORMAT, "live")}`])],
    [
      "kids",
      (number) =>
        requestHead("GET", "/x", [
          `Authorization: Bearer ${encodedParts({ alg: "ES256", kid: `k${number}` }, claims, "AAAA")}`,
        ]),
    ],
    ["addresses", (number) => requestHead("GET", "/open/x", [`X-Forwarded-For: ${address(number)}`])],
  ];
  using crowd = await openCrowd(gateway.port, CROWD);
  const fetches = jwks.fetches;
  for (const [what, request] of kinds) {
    let half = 0;
    const statuses = new Set<string>();
    for (let first = 0; first < FLOOD; first += CROWD) {
      for (const status of Object.keys(await crowd.ask((member) => request(first + member)).all)) statuses.add(status);
      if (half === 0 && first >= FLOOD / 2) half = residentBytes(gateway.pid);
      if (first % 5000 === 0) expect.soft(await pass(), what).toEqual([200, 200]);
    }
    expect.soft([...statuses], what).toEqual([what === "addresses" ? "200" : "401"]);
    expect.soft(residentBytes(gateway.pid) - half, what).toBeLessThan(PROCESS_GROWTH_MAX);
  }
  expect(await pass()).toEqual([200, 200]);
  expect(jwks.fetches - fetches).toBeLessThanOrEqual(FETCHES_MAX);
}

/** One in ten seconds at most, whatever is asked for. */
const FETCHES_MAX = IS_SOAK ? 60 : 12;

const address = (number: number) => `44.${(number >> 16) & 255}.${(number >> 8) & 255}.${number & 255}`;
