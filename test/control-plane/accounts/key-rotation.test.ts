/**
 * Any life of a key, against a model of it: which of all the secrets it ever had are taken by a worker that remembers what it has seen,
 * and for which reason the others are refused. Real SQLite, the worker's own memory, a clock that is set.
 */
import fc from "fast-check";
import { afterAll, afterEach, expect, test, vi } from "vitest";
import { STANDARD_FORMAT } from "#core/key-format.ts";
import type { KeyChange } from "#control-plane/accounts/api-key.ts";
import { ConflictError } from "#control-plane/accounts/conflict.ts";
import { ControlLink } from "#data-plane/identity/control-link.ts";
import { digestOf } from "#data-plane/identity/credentials.ts";
import { Directory } from "#data-plane/identity/directory.ts";
import { keyFault } from "#shared/key-state.ts";
import { openKeySite, PEPPER } from "./key-site.ts";

const START_MS = Date.UTC(2026, 0, 1);
const HOUR_MS = 3_600_000;
const OLD_MAX = 10;

const site = await openKeySite();

afterAll(() => site[Symbol.asyncDispose]());
afterEach(() => vi.useRealTimers());

/** A worker: remembers keys until it is told of a change. */
function worker(): Directory {
  const link: ControlLink = new ControlLink((message) => {
    if (message.type !== "ask" || message.question.kind !== "key") return;
    void site.keys.byHash(message.question.hash).then((key) => link.answered(message.id, { kind: "key", key }));
  });
  return new Directory(link, PEPPER);
}

/** The key as it should be. `old` has the secrets that were replaced and when they retire. */
interface Model {
  current: string;
  readonly old: Map<string, number>;
  /** How many gave way to others. */
  dropped: number;
  enabled: boolean;
  revoked: boolean;
  expiresAtMs: number | null;
}

function expected(model: Model, secret: string, nowMs: number): string | null {
  if (model.revoked) return "key:revoked";
  if (!model.enabled) return "key:disabled";
  if (model.expiresAtMs !== null && model.expiresAtMs <= nowMs) return "key:expired";
  return secret === model.current || (model.old.get(secret) ?? 0) > nowMs ? null : "key:retired";
}

type Deed =
  | { readonly kind: "rotate"; readonly overlapMs: number }
  | { readonly kind: "advance"; readonly ms: number }
  | { readonly kind: "expire"; readonly inMs: number | null }
  | { readonly kind: "enable" | "disable" | "revoke" };

const hours = fc.integer({ min: 0, max: 48 }).map((count) => count * HOUR_MS);
const deed: fc.Arbitrary<Deed> = fc.oneof(
  { weight: 40, arbitrary: fc.record({ kind: fc.constant("rotate" as const), overlapMs: hours }) },
  { weight: 20, arbitrary: fc.record({ kind: fc.constant("advance" as const), ms: hours.map((ms) => ms / 4) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("expire" as const), inMs: fc.option(hours) }) },
  { weight: 10, arbitrary: fc.constantFrom<Deed>({ kind: "enable" }, { kind: "disable" }) },
  { weight: 1, arbitrary: fc.constant<Deed>({ kind: "revoke" }) },
);

const permit = () => undefined;

/** Whether a deed was refused, and whether it should have been. */
type Outcome = readonly [refused: boolean, expected: boolean];

/** Does it to the key, and to the model of it. */
async function act(id: string, model: Model, done: Deed): Promise<Outcome> {
  const nowMs = Date.now();
  switch (done.kind) {
    case "advance":
      vi.setSystemTime(nowMs + done.ms);
      return [false, false];
    case "revoke":
      await site.keys.revoke(id, null);
      model.revoked = true;
      return [false, false];
    case "rotate":
      return rotate(id, model, done.overlapMs);
    case "expire":
      return change(id, model, { expiresAtMs: done.inMs === null ? null : nowMs + done.inMs });
    case "enable":
    case "disable":
      return change(id, model, { enabled: done.kind === "enable" });
  }
}

async function change(id: string, model: Model, to: KeyChange): Promise<Outcome> {
  const refused = await isRefused(site.keys.change(id, to, permit));
  if (!model.revoked) Object.assign(model, to);
  return [refused, model.revoked];
}

async function rotate(id: string, model: Model, overlapMs: number): Promise<Outcome> {
  const retiresMs = Date.now() + overlapMs;
  const done = site.keys.rotate(id, { format: STANDARD_FORMAT, overlapMs }, permit);
  const kept = [...model.old.values()].map((ms) => Math.min(ms, retiresMs)).sort((one, other) => other - one);
  const isFull = kept.length - model.dropped >= OLD_MAX;
  const expectsRefusal = model.revoked || (isFull && (kept[OLD_MAX - 1] ?? 0) > Date.now());
  const refused = await isRefused(done);
  if (refused || expectsRefusal) return [refused, expectsRefusal];
  for (const [secret, ms] of model.old) model.old.set(secret, Math.min(ms, retiresMs));
  if (isFull) model.dropped++;
  model.old.set(model.current, retiresMs);
  model.current = (await done)?.secret ?? "";
  return [false, false];
}

/** Whether it ends in a conflict. */
function isRefused(done: Promise<unknown>): Promise<boolean> {
  return done.then(
    () => false,
    (error: unknown) => error instanceof ConflictError || Promise.reject(error),
  );
}

test("whatever is done to a key, exactly the secrets that should be are good, on workers that remember it", async () => {
  const workers = [worker(), worker()];
  const announced = () => {
    for (const what of site.announced.splice(0))
      if (what.kind === "key") for (const directory of workers) directory.invalidate(what);
  };
  await fc.assert(
    fc.asyncProperty(fc.array(deed, { minLength: 5, maxLength: 30 }), async (deeds) => {
      vi.useFakeTimers({ toFake: ["Date"], now: START_MS });
      const { key, secret } = await site.key();
      const model: Model = {
        current: secret,
        old: new Map(),
        dropped: 0,
        enabled: true,
        revoked: false,
        expiresAtMs: null,
      };
      for (const one of deeds) {
        const [refused, shouldBe] = await act(key.id, model, one);
        expect(refused).toBe(shouldBe);
        announced();
        for (const text of [...model.old.keys(), model.current]) {
          const outcomes = await Promise.all(workers.map((directory) => outcomeOf(directory, text)));
          const wanted = expected(model, text, Date.now());
          // Of those retired the oldest are forgotten, be the key what it may.
          const isGone = model.dropped > 0 && (model.old.get(text) ?? Infinity) <= Date.now();
          expect(outcomes.map((outcome) => (isGone && outcome === "key:unknown" ? wanted : outcome))).toEqual([
            wanted,
            wanted,
          ]);
        }
      }
    }),
    { numRuns: 60 },
  );
});

async function outcomeOf(directory: Directory, secret: string): Promise<string | null> {
  const record = await directory.key(secret, digestOf(secret));
  if (record === "busy") throw new Error("Nobody said so");
  return record === null ? "key:unknown" : (keyFault(record, Date.now())?.rule ?? null);
}

test("two rotations at once both hold: each secret is good, and one key is all there is", async () => {
  const { key, secret } = await site.key();
  const rotation = { format: STANDARD_FORMAT, overlapMs: HOUR_MS };
  const made = await Promise.all([1, 2, 3].map(() => site.keys.rotate(key.id, rotation, permit)));
  const secrets = [secret, ...made.map((one) => one?.secret ?? "")];
  const found = await Promise.all(secrets.map((text) => site.keys.bySecret(text)));
  expect(found.map((one) => one?.id)).toEqual([key.id, key.id, key.id, key.id]);
  expect(found.filter((one) => one?.retiresAtMs === null)).toHaveLength(1);
});

test("a rotation that is refused half way leaves everything as it was", async () => {
  const { key, secret } = await site.key();
  const refuse = () => {
    throw new Error("not yours");
  };
  const before = await site.keys.byId(key.id);
  await expect(site.keys.rotate(key.id, { format: STANDARD_FORMAT, overlapMs: 0 }, refuse)).rejects.toThrow(
    "not yours",
  );
  expect(await site.keys.byId(key.id)).toEqual(before);
  expect(await site.keys.bySecret(secret)).toEqual(before);
});
