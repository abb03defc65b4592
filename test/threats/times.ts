/** C14, H19 and H20 in process: what a look at the clock gives away, and that hostile tokens cost nearly nothing. */
import { expect } from "vitest";
import { keyHash } from "#core/key-hash.ts";
import { ControlLink } from "#data-plane/identity/control-link.ts";
import { Directory } from "#data-plane/identity/directory.ts";
import type { FromWorker } from "#shared/messages.ts";
import { type KeyRecord, UNNARROWED } from "#shared/principals.ts";
import { encodePart } from "#test/support/jwt.ts";
import { randomOf } from "#test/support/random.ts";
import { accepts, familyVerifier } from "./jws-verifier.ts";
import type { LoneRow } from "./runner.ts";
import { medianMs, tValue } from "./timing.ts";
import { digestOf } from "#data-plane/identity/credentials.ts";

/** Beyond it dudect speaks of a difference. */
const T_MAX = 4.5;
const ROUNDS = 3;
const KEYS = 1000;
const SAMPLES = 3000;
const SECRET = "tg_sk_live_Zx81kQpLw03NvB7cRtYuIoPaSdFgHjKlMn42xQ";
const PEPPER = Buffer.alloc(32, 7);
const RECORD: KeyRecord = {
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

const PART = encodePart("x".repeat(64));
const OVERSIZED = {
  "8 KiB and one": "A".repeat(8193),
  "1 MiB": "A".repeat(1024 * 1024),
  "1 MiB of dots": ".".repeat(1024 * 1024),
  "5,000 deep": `${encodePart({ alg: "ES256", kid: "ES256" })}.${encodePart("[".repeat(5000))}.AAAA`,
  "900 keys": `${encodePart({ alg: "ES256" })}.${encodePart(`{${'"a":1,'.repeat(900)}"b":2}`)}.AAAA`,
};
const ENCRYPTED = {
  JWE: [encodePart({ alg: "dir", enc: "A256GCM", zip: "DEF" }), "", PART, PART, PART].join("."),
  "PBES2 with a billion rounds": [
    encodePart({ alg: "PBES2-HS256+A128KW", p2c: 1_000_000_000, p2s: "AAAA", enc: "A128GCM" }),
    PART,
    PART,
    PART,
    PART,
  ].join("."),
  "JWS that says zip": `${encodePart({ alg: "ES256", zip: "DEF" })}.${PART}.AAAA`,
};

export const TIMES: readonly LoneRow[] = [
  {
    id: "C14",
    class: "identity",
    name: "the time to look up a wrong key does not tell how much of a right one it shares",
    proof: lookupTimes,
  },
  {
    id: "C14",
    class: "identity",
    name: "the same measurement finds a comparison that stops at the first difference",
    proof: plantedLeak,
  },
  {
    id: "H19",
    class: "jwt",
    name: "tokens that are too long or too deep are refused within a millisecond",
    proof: () => hostileTokenTimes(OVERSIZED),
  },
  {
    id: "H20",
    class: "jwt",
    name: "tokens that are not signed ones are refused within a millisecond",
    proof: () => hostileTokenTimes(ENCRYPTED),
  },
];

/** A worker's memory of keys, with a control plane that knows one. */
function directory(): Directory {
  const right = keyHash(SECRET, PEPPER);
  const answer = (message: FromWorker) => {
    if (message.type !== "ask" || message.question.kind !== "key") return;
    link.answered(message.id, { kind: "key", key: message.question.hash === right ? RECORD : null });
  };
  const link = new ControlLink(answer);
  return new Directory(link, PEPPER);
}

/** Two classes of wrong keys, alike in all but how much they share with the right one. */
interface Classes {
  readonly sharing: readonly string[];
  readonly others: readonly string[];
}

function classes(seed: number): Classes {
  const random = randomOf(seed);
  const wrong = (prefix: number) => {
    const tail = Array.from({ length: SECRET.length - prefix }, () => random.between(0, 35).toString(36)).join("");
    // Through bytes, so that every text is stored in one flat piece and its making cannot be seen in its use.
    return Buffer.from(SECRET.slice(0, prefix) + tail).toString("latin1");
  };
  const pairs = Array.from({ length: KEYS }, () => [wrong(SECRET.length - 4), wrong(0)] as const);
  return { sharing: pairs.map(([one]) => one), others: pairs.map(([, other]) => other) };
}

/** The smallest |t| of some rounds, each with new keys: the luck of one round does not last, a leak does. */
async function smallestT(batch: number, round: (keys: Classes) => Promise<(key: string) => unknown>): Promise<number> {
  const seen: number[] = [];
  for (let seed = 1; seed <= ROUNDS; seed++) {
    const keys = classes(seed);
    const operation = await round(keys);
    const over = (texts: readonly string[]) => (index: number) => void operation(texts[index % KEYS] ?? "");
    seen.push(
      Math.abs(tValue(over(keys.sharing), over(keys.others), { samples: SAMPLES, batch, random: randomOf(seed) })),
    );
  }
  return Math.min(...seen);
}

async function lookupTimes(): Promise<void> {
  // 3 rounds x 2 x 3,000 samples x 8 lookups: 144,000.
  const lookups = await smallestT(8, async ({ sharing, others }) => {
    const keys = directory();
    expect(await keys.key(SECRET, digestOf(SECRET))).toEqual(RECORD);
    // At first sight the control plane is asked; from then on a lookup is synchronous. In turn: age in the cache tells nothing.
    for (const [index, key] of sharing.entries())
      for (const unknown of [key, others[index] ?? ""]) expect(await keys.key(unknown, digestOf(unknown))).toBeNull();
    return (key) => keys.key(key, digestOf(key));
  });
  expect(lookups, "the worker's lookup").toBeLessThan(T_MAX);
  expect(await smallestT(2, async () => (key) => keyHash(key, PEPPER)), "the hash at first sight").toBeLessThan(T_MAX);
}

async function plantedLeak(): Promise<void> {
  const leaky = (key: string): boolean => {
    for (let at = 0; at < SECRET.length; at++) if (key.charCodeAt(at) !== SECRET.charCodeAt(at)) return false;
    return true;
  };
  expect(await smallestT(32, async () => leaky)).toBeGreaterThan(T_MAX);
}

async function hostileTokenTimes(tokens: Readonly<Record<string, string>>): Promise<void> {
  const verifier = familyVerifier();
  for (const [what, token] of Object.entries(tokens)) {
    expect(await accepts(verifier, token), `${what} accepted`).toBe(false);
    // Hashed before: of a header section of 16 KiB at most, so no hash of 1 MiB is ever made in a gateway.
    const digest = digestOf(token);
    expect.soft(await medianMs(51, () => verifier.verify(token, digest)), what).toBeLessThan(1);
  }
}
