/**
 * Plays many streams on both lanes, some at once, finds those whose lanes differ, and makes a difference small. What is counted is
 * compared for all streams of a batch together.
 */
import { isDeepStrictEqual } from "node:util";
import { until } from "#test/support/until.ts";
import { isSame } from "./compare.ts";
import { type Player, play, type Seen } from "./play.ts";
import type { Stream } from "./streams.ts";
import { countsOf, type Lane, LANES, makeKey, startLane } from "./world.ts";

/** Streams at once; each slot has keys of its own, so that what one stream consumes is no other's. */
const SLOTS = 32;
/** How often a difference is looked for again before it is one. */
const REPEATS = 2;
const SHRINKS_MAX = 50;

export interface Difference {
  readonly stream: Stream;
  readonly seen: readonly Seen[];
}

export interface Outcome {
  /** The first that shows again. */
  readonly difference: Difference | null;
  /** What both lanes have counted, where it is not the same. */
  readonly miscount: string | null;
}

export interface Miscount {
  readonly streams: readonly Stream[];
  readonly miscount: string;
}

/** Whether what was seen is allowed. */
export type Judge = (seen: readonly Seen[]) => boolean;

/** The smallest difference so far, and how often a smaller one may still be looked for. */
interface Shrinking {
  best: Difference;
  left: number;
}

type Counts = ReadonlyMap<string, number>;

export class Arena implements AsyncDisposable {
  readonly lanes: readonly Lane[];
  #clients = 0;
  /** Differences that did not show again. */
  unsteady = 0;

  static async start(): Promise<Arena> {
    return new Arena(await Promise.all(LANES.map(startLane)));
  }

  private constructor(lanes: readonly Lane[]) {
    this.lanes = lanes;
  }

  /** Of an account and an address that nobody used before. */
  async #newPlayer(): Promise<Player> {
    return { keys: await Promise.all(this.lanes.map(makeKey)), address: this.#nextAddress() };
  }

  /** All of 127.0.0.0/8 is this machine. */
  #nextAddress(): string {
    const number = this.#clients++;
    return `127.${1 + ((number >> 15) % 254)}.${(number >> 7) & 255}.${1 + (number & 127)}`;
  }

  /** Plays one stream with a new player. */
  async playOnce(stream: Stream): Promise<readonly Seen[]> {
    return await play(this.lanes, stream, await this.#newPlayer());
  }

  /** Plays all, and tells of each one seen. What `judge` does not allow is a difference when it shows again. */
  async playAll(streams: readonly Stream[], judge: Judge, onSeen: (seen: readonly Seen[]) => void): Promise<Outcome> {
    const players = await this.#players();
    const before = await this.#counts(players);
    const suspects: Stream[] = [];
    await this.#play(streams, players, async (stream, seen, slot) => {
      onSeen(seen);
      if (!judge(seen)) suspects.push(stream);
      // What the slot's accounts have used may not be the same any more.
      if (!isSame(seen)) players[slot] = await this.#newPlayer();
    });
    const miscount = await this.#miscount(before, players);
    for (const stream of suspects) {
      const difference = await this.#repeated(stream, judge);
      if (difference !== null) return { difference, miscount };
      this.unsteady++;
      process.stdout.write(`lanes, did not show again: ${JSON.stringify(stream)}\n`);
    }
    return { difference: null, miscount };
  }

  async #players(): Promise<Player[]> {
    return await Promise.all(Array.from({ length: SLOTS }, () => this.#newPlayer()));
  }

  async #play(
    streams: readonly Stream[],
    players: readonly Player[],
    onSeen: (stream: Stream, seen: readonly Seen[], slot: number) => Promise<void>,
  ): Promise<void> {
    const left = [...streams].reverse();
    const work = async (slot: number) => {
      for (let stream = left.pop(); stream !== undefined; stream = left.pop()) {
        const player = { keys: players[slot]?.keys ?? [], address: this.#nextAddress() };
        await onSeen(stream, await play(this.lanes, stream, player), slot);
      }
    };
    await Promise.all(players.map((_, slot) => work(slot)));
  }

  async #repeated(stream: Stream, judge: Judge): Promise<Difference | null> {
    for (let times = 0; times < REPEATS; times++) {
      const seen = await this.playOnce(stream);
      if (!judge(seen)) return { stream, seen };
    }
    return null;
  }

  /** A difference of fewer octets, in fewer pieces, as far as leaving some out finds one. */
  async shrink(difference: Difference, judge: Judge): Promise<Difference> {
    const shrinking = { best: difference, left: SHRINKS_MAX };
    await this.#attempt(shrinking, { ...difference.stream, cuts: [] }, judge);
    for (let size = difference.stream.text.length >> 1; size > 0; size >>= 1)
      await this.#leaveOut(shrinking, size, judge);
    return shrinking.best;
  }

  /** Leaves out so many octets wherever the difference stays. */
  async #leaveOut(shrinking: Shrinking, size: number, judge: Judge): Promise<void> {
    let at = 0;
    while (at < shrinking.best.stream.text.length && shrinking.left > 0) {
      const { stream } = shrinking.best;
      const text = stream.text.slice(0, at) + stream.text.slice(at + size);
      if (!(await this.#attempt(shrinking, { ...stream, text }, judge))) at += size;
    }
  }

  async #attempt(shrinking: Shrinking, stream: Stream, judge: Judge): Promise<boolean> {
    shrinking.left--;
    const seen = await this.playOnce(stream);
    if (judge(seen)) return false;
    shrinking.best = { stream, seen };
    return true;
  }

  /** Plays streams again that were counted otherwise, and then fewer and fewer of them; null: they do not show it again. */
  async findMiscount(streams: readonly Stream[]): Promise<Miscount | null> {
    const { miscount } = await this.playAll(
      streams,
      () => true,
      () => undefined,
    );
    if (miscount === null) return null;
    const half = streams.length >> 1;
    for (const some of half === 0 ? [] : [streams.slice(0, half), streams.slice(half)]) {
      const smaller = await this.findMiscount(some);
      if (smaller !== null) return smaller;
    }
    return { streams, miscount };
  }

  async #counts(players: readonly Player[]): Promise<readonly Counts[]> {
    const keysOf = (lane: number) => players.flatMap(({ keys }) => keys.slice(lane, lane + 1));
    return await Promise.all(this.lanes.map((lane, index) => countsOf(lane, keysOf(index))));
  }

  /** null: the same on both, once what is under way has ended. */
  async #miscount(before: readonly Counts[], players: readonly Player[]): Promise<string | null> {
    let told = "";
    const isEqual = async () => {
      const after = await this.#counts(players);
      const [auto, full] = after.map((counts, index) => growth(before[index], counts));
      const only = (these: readonly string[] = [], others: readonly string[] = []) =>
        JSON.stringify(these.filter((line) => !others.includes(line)));
      told = `auto ${only(auto, full)}\nfull ${only(full, auto)}`;
      return isDeepStrictEqual(auto, full);
    };
    return await until("both lanes have counted the same", isEqual, 3000, 100).then(
      () => null,
      () => told,
    );
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.lanes.map((lane) => lane[Symbol.asyncDispose]()));
  }
}

function growth(before: Counts | undefined, after: Counts): readonly string[] {
  const lines = [...after].map(([series, count]) => `${series} ${count - (before?.get(series) ?? 0)}`);
  return lines.filter((line) => !line.endsWith(" 0")).sort();
}
