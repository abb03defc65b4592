/**
 * The key sets of all issuers, fetched once for all workers. Main thread.
 * Fetched at start and every five minutes; a token with an unknown `kid` asks for one more, at most every 10 s an issuer.
 * The last good set is kept on disk and goes on being used while the issuer is down, also across restarts.
 */
import { createHash } from "node:crypto";
import { mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import type { Logger } from "pino";
import type { IssuerSettings } from "#config/identity-settings.ts";
import { monotonicNs } from "#core/clock.ts";
import type { KeySets, PublicKey } from "#shared/principals.ts";
import { downloadKeySet } from "./download.ts";
import { type ReadKeySet, readKeySet } from "./key-policy.ts";

const REFRESH_MS = 5 * 60_000;
/** Pause between tries while an issuer has no keys at all. */
const RETRY_MS = 2000;
/** Least time between two fetches that unknown keys ask for. */
const COOLDOWN_NS = 10_000_000_000n;

interface IssuerState {
  readonly settings: IssuerSettings;
  keys: readonly PublicKey[];
  /** What `keys` was read from, to see whether a fetch brought something new. */
  text: string;
  underWay: Promise<void> | null;
  /** When an unknown key last led to a fetch; null: never. */
  askedAtNs: bigint | null;
  /** The next try of an issuer that has no keys yet. */
  retry: NodeJS.Timeout | null;
}

export interface KeySetsParts {
  readonly dataDir: string;
  readonly log: Logger;
  /** The public set of the gateway's own issuer, as text. */
  readonly localKeySet: () => string;
  /** Hands a changed set to the workers; resolves when all have it. */
  readonly publish: (issuer: string, keys: readonly PublicKey[]) => Promise<void>;
}

export class IssuerKeySets {
  readonly #parts: KeySetsParts;
  readonly #keptDir: string;
  #issuers = new Map<string, IssuerState>();
  readonly #timer: NodeJS.Timeout;
  #stopped = false;

  constructor(parts: KeySetsParts) {
    this.#parts = parts;
    this.#keptDir = join(parts.dataDir, "key-sets");
    mkdirSync(this.#keptDir, { recursive: true, mode: 0o700 });
    this.#timer = setInterval(() => void this.#fetchAll(), REFRESH_MS).unref();
  }

  /** Follows these issuers from now on. Resolves when each has keys, or had its chance to get some. Throws on an unusable `file:` set. */
  async use(issuers: readonly IssuerSettings[]): Promise<void> {
    const next = new Map(issuers.map((settings) => [settings.name, this.#stateFor(settings)]));
    const own = [...next.values()].flatMap((state) => (isRemote(state.settings) ? [] : [this.#readOwn(state)]));
    // Nothing throws from here on.
    for (const { state, text, read } of own) this.#take(state, text, read);
    const before = this.#issuers;
    this.#issuers = next;
    const added = [...next].flatMap(([name, state]) =>
      isRemote(state.settings) && before.get(name) !== state ? [state] : [],
    );
    await Promise.all(
      added.map((state) => {
        this.#readKept(state);
        const fetch = this.#fetch(state);
        return state.keys.length === 0 ? fetch : undefined;
      }),
    );
  }

  /** What is known of an issuer whose settings did not change, else a new state. */
  #stateFor(settings: IssuerSettings): IssuerState {
    const known = this.#issuers.get(settings.name);
    if (known !== undefined && JSON.stringify(known.settings) === JSON.stringify(settings)) return known;
    return { settings, keys: [], text: "", underWay: null, askedAtNs: null, retry: null };
  }

  current(): KeySets {
    return Object.fromEntries([...this.#issuers].map(([name, { keys }]) => [name, keys]));
  }

  /** The set others verify the gateway's own tokens by, as text; empty without a local issuer. */
  own(): string {
    const isIssuer = [...this.#issuers.values()].some(({ settings }) => settings.jwks.kind === "local");
    return isIssuer ? this.#parts.localKeySet() : '{"keys":[]}';
  }

  /** A token names a key that is not in the set. Fetches, unless an unknown key led to a fetch in the last 10 s. */
  async refresh(issuer: string): Promise<void> {
    const state = this.#issuers.get(issuer);
    if (state === undefined || !isRemote(state.settings)) return;
    const now = monotonicNs();
    if (state.underWay === null && (state.askedAtNs === null || now - state.askedAtNs >= COOLDOWN_NS)) {
      state.askedAtNs = now;
      await this.#fetch(state);
    } else {
      await state.underWay;
    }
  }

  stop(): void {
    this.#stopped = true;
    clearInterval(this.#timer);
    for (const { retry } of this.#issuers.values()) if (retry !== null) clearTimeout(retry);
  }

  async #fetchAll(): Promise<void> {
    await Promise.all(
      [...this.#issuers.values()].filter(({ settings }) => isRemote(settings)).map((state) => this.#fetch(state)),
    );
  }

  /** Single flight; never rejects: on failure the last good set stays. */
  #fetch(state: IssuerState): Promise<void> {
    state.underWay ??= this.#fetchNow(state).finally(() => {
      state.underWay = null;
    });
    return state.underWay;
  }

  async #fetchNow(state: IssuerState): Promise<void> {
    const { settings } = state;
    try {
      const text = await downloadKeySet(settings);
      // A reload may have given the name to another issuer meanwhile: these keys are not its.
      if (this.#issuers.get(settings.name) !== state) return;
      if (text === state.text) return;
      const read = readKeySet(text, settings.algorithms);
      if (read.keys.length === 0) throw new Error("Key set has no usable key");
      this.#take(state, text, read);
      this.#keep(settings, text);
      await this.#parts.publish(settings.name, state.keys);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      const facts = { event: "key-set-failed", issuer: settings.name, reason, kept_keys: state.keys.length };
      this.#parts.log.warn(facts, "Key set could not be fetched; the last good one stays");
      if (state.keys.length === 0) this.#retrySoon(state);
    }
  }

  /** An issuer without any keys refuses everybody: it is asked again soon, by no more than one timer. */
  #retrySoon(state: IssuerState): void {
    if (this.#stopped || state.retry !== null) return;
    state.retry = setTimeout(() => {
      state.retry = null;
      if (this.#issuers.get(state.settings.name) === state) void this.#fetch(state);
    }, RETRY_MS).unref();
  }

  #take(state: IssuerState, text: string, read: ReadKeySet): void {
    state.keys = read.keys;
    state.text = text;
    for (const { kid, reason } of read.refused) {
      this.#parts.log.warn(
        { event: "key-refused", issuer: state.settings.name, kid, reason },
        "A key of the set is not used",
      );
    }
  }

  #readOwn(state: IssuerState): { readonly state: IssuerState; readonly text: string; readonly read: ReadKeySet } {
    const { jwks, name, algorithms } = state.settings;
    const text = jwks.kind === "file" ? readFileSync(jwks.path, "utf8") : this.#parts.localKeySet();
    const read = readKeySet(text, algorithms);
    if (read.keys.length === 0) {
      throw new Error(
        `Issuer ${name} has no usable key: ${read.refused.map(({ kid, reason }) => `${kid ?? "a key"}: ${reason}`).join(", ") || "its set is empty"}`,
      );
    }
    return { state, text, read };
  }

  #readKept(state: IssuerState): void {
    try {
      const text = readFileSync(this.#keptFile(state.settings), "utf8");
      this.#take(state, text, readKeySet(text, state.settings.algorithms));
    } catch {
      // None kept yet, or unreadable: the fetch that follows decides.
    }
  }

  #keep(settings: IssuerSettings, text: string): void {
    const file = this.#keptFile(settings);
    writeFileSync(`${file}.new`, text, { mode: 0o600 });
    renameSync(`${file}.new`, file);
  }

  /** Bound to where the keys came from: another issuer or URL under the same name starts without them. */
  #keptFile({ name, issuer, jwks }: IssuerSettings): string {
    const source = createHash("sha256")
      .update(JSON.stringify([issuer, jwks]))
      .digest("hex")
      .slice(0, 16);
    return join(this.#keptDir, `${name}-${source}.json`);
  }
}

/** It has its keys elsewhere, and may change them at any time. */
function isRemote({ jwks }: IssuerSettings): boolean {
  return jwks.kind === "url" || jwks.kind === "discovery";
}
