/**
 * Who has counted what in the live counters. Main thread.
 *
 * A charge is counted twice over: at once in shared memory, by the worker that admits it, and later in the store, when the ledger
 * folds the journal. Both must come to the same although settings and billing anchors change while charges are on their way.
 *
 * - A live counter is *seeded* from the store once a run, when its account is first seen or its shape of window is new: from then on
 *   it holds what the ledger had at that moment and must hear of every charge that is folded later. What is not seeded hears of
 *   nothing: seeding will find it in the ledger. Seeding and booking each happen whole, within the store's one connection.
 * - A worker counts by the shapes of its snapshot and by the anchor of its account record, and says in the charge by which. Both are
 *   counted up: the snapshot's *epoch* with every reload that adds or drops a shape, the account's with every move of its anchor, and
 *   the charge carries both in one number (their sum). They are two because a request may have begun under an older snapshot than
 *   the account record it waited for. So each shape has spans of epochs in which workers counted it, each account a list of anchors.
 * - Charges of a span are counted by whoever made them. All others (made before a worker knew the shape or the anchor, reported by
 *   events, left by an earlier run: epoch 0) are added to the live counters after the fold that books them.
 *
 * Billing periods of every anchor that an account had in this run go on being counted, those of former ones by the fold alone, and so
 * do shapes that a reload drops: should they come back, their counters are right.
 *
 * So there is no gap and no overlap: a new shape is seeded before any worker knows it; charges made meanwhile carry the older epoch
 * and are added by the fold. Reloads and moves come one after the other (`serial`), each until all workers know it.
 *
 * Not here: reading the store (`seeder.ts`) and telling the workers (`gateway.ts`, `accounts.ts`).
 */
import type { Window } from "#core/windows.ts";
import type { CounterShape } from "#shared/counter-shapes.ts";
import { WindowCache } from "./window-cache.ts";

type ShapesByMeter = ReadonlyMap<string, readonly CounterShape[]>;

/** Epochs in which workers count a shape. */
interface Span {
  readonly from: number;
  /** Exclusive. */
  until: number;
}

/** An anchor of an account, and which one of its anchors in this run. */
export interface AnchorSince {
  readonly anchorMs: number;
  /** 0 is the one it was first seen with. */
  readonly epoch: number;
}

/** Anchors an account can have in a run. */
const ANCHORS_MAX = 4096;

const NONE: readonly Window[] = Object.freeze([]);

/** An account whose counters are seeded. */
interface Seen {
  /** Shapes of later epochs are not seeded yet. */
  epoch: number;
  /** Oldest first, never empty; the account's epoch is the index. */
  readonly anchors: number[];
}

export class Counting {
  readonly windows = new WindowCache();
  readonly #shapes = new Map<string, { readonly shape: CounterShape; readonly spans: Span[] }>();
  readonly #seen = new Map<string, Seen>();
  #byMeter: ShapesByMeter = new Map();
  #epoch = 1;
  #last: Promise<unknown> = Promise.resolve();

  constructor(shapes: ShapesByMeter) {
    this.#open(shapes);
  }

  /** What snapshots carry: whole multiples of `ANCHORS_MAX`, to which the account's epoch is added. */
  get epoch(): number {
    return this.#epoch * ANCHORS_MAX;
  }

  /** Runs changes of shapes and anchors one after the other, each until all workers know it. */
  serial<T>(work: () => Promise<T>): Promise<T> {
    const next = this.#last.then(work);
    this.#last = next.catch(() => undefined);
    return next;
  }

  /** Every shape of this run. */
  shapes(): Iterable<CounterShape> {
    return [...this.#shapes.values()].map(({ shape }) => shape);
  }

  shapesOf(meter: string): readonly CounterShape[] {
    return this.#byMeter.get(meter) ?? [];
  }

  /** Whether `use` would count a known shape in another way: its counters cannot become others while they count. */
  clash(shapes: ShapesByMeter): CounterShape | null {
    const all = [...shapes.values()].flat();
    return all.find(({ key, op }) => (this.#shapes.get(key)?.shape.op ?? op) !== op) ?? null;
  }

  /** New settings: from a new epoch on workers count by exactly these shapes. Call before the snapshot goes out; then seed. */
  use(shapes: ShapesByMeter): void {
    const wanted = new Set([...shapes.values()].flat().map(({ key }) => key));
    const counted = [...this.#shapes.values()].filter(({ spans }) => spans.at(-1)?.until === Number.POSITIVE_INFINITY);
    const isSame = counted.length === wanted.size && counted.every(({ shape }) => wanted.has(shape.key));
    if (isSame) return;
    this.#epoch++;
    for (const { shape, spans } of counted) {
      const last = spans.at(-1);
      if (last !== undefined && !wanted.has(shape.key)) last.until = this.#epoch;
    }
    this.#open(shapes);
  }

  #open(shapes: ShapesByMeter): void {
    for (const shape of [...shapes.values()].flat()) {
      const known = this.#shapes.get(shape.key) ?? { shape, spans: [] };
      this.#shapes.set(shape.key, known);
      if (known.spans.at(-1)?.until !== Number.POSITIVE_INFINITY)
        known.spans.push({ from: this.#epoch, until: Number.POSITIVE_INFINITY });
    }
    const all = [...this.#shapes.values()].map(({ shape }) => shape);
    this.#byMeter = new Map(
      Object.entries(Object.groupBy(all, ({ meter }) => meter)).map(([meter, list = []]) => [meter, list]),
    );
  }

  /** Accounts whose counters are seeded. */
  accounts(): readonly string[] {
    return [...this.#seen.keys()];
  }

  isSeen(account: string): boolean {
    return this.#seen.has(account);
  }

  /** The anchor by which the account is counted now; null: it was not seen yet. */
  anchorOf(account: string): AnchorSince | null {
    const anchors = this.#seen.get(account)?.anchors;
    const anchorMs = anchors?.at(-1);
    return anchors === undefined || anchorMs === undefined ? null : { anchorMs, epoch: anchors.length - 1 };
  }

  /** Every anchor by which the account was counted in this run, each once. */
  anchorsOf(account: string): readonly number[] {
    return [...new Set(this.#seen.get(account)?.anchors)];
  }

  /** Shapes whose counters of this account are not seeded. */
  unseeded(account: string): readonly CounterShape[] {
    const seen = this.#seen.get(account);
    return [...this.#shapes.values()].filter(({ spans }) => !isSeeded(seen, spans)).map(({ shape }) => shape);
  }

  /** All shapes of the account are seeded now. What is returned takes that back, in the same step. */
  see(account: string, anchorMs: number): () => void {
    const seen = this.#seen.get(account);
    if (seen === undefined) {
      this.#seen.set(account, { epoch: this.#epoch, anchors: [anchorMs] });
      return () => void this.#seen.delete(account);
    }
    const { epoch } = seen;
    seen.epoch = this.#epoch;
    return () => void (seen.epoch = epoch);
  }

  /** Whether the account's anchor can be moved once more in this run. */
  canMove(account: string): boolean {
    return (this.#seen.get(account)?.anchors.length ?? 0) < ANCHORS_MAX;
  }

  /**
   * From a new epoch of the account on its billing periods begin elsewhere. Seed them in the same step. What is returned takes that
   * back, in the same step too.
   */
  moveAnchor(account: string, anchorMs: number): () => void {
    const anchors = this.#seen.get(account)?.anchors;
    anchors?.push(anchorMs);
    return () => void anchors?.pop();
  }

  /**
   * The windows whose live counters have not heard of a charge of this epoch, and have to when it is booked: mostly none, as whoever
   * made the charge counted it. Counters that are not seeded hear of nothing. Epoch 0: nobody counted it.
   */
  unheard(account: string, shape: CounterShape, epoch: number, atMs: number): readonly Window[] {
    const seen = this.#seen.get(account);
    const spans = this.#shapes.get(shape.key)?.spans;
    if (seen === undefined || spans === undefined || !isSeeded(seen, spans)) return NONE;
    const shapes = Math.floor(epoch / ANCHORS_MAX);
    const isCounted = spans.some(({ from, until }) => from <= shapes && shapes < until);
    if (isCounted && (shape.window.kind !== "billing-period" || seen.anchors.length === 1)) return NONE;
    const then = isCounted ? seen.anchors[epoch % ANCHORS_MAX] : undefined;
    const counted = then === undefined ? null : this.windows.of(shape, atMs, then);
    return this.windowsAt(account, shape, atMs).filter((window) => counted === null || !isSameWindow(window, counted));
  }

  /** The windows of a moment, by every anchor of the account in this run, each once. */
  windowsAt(account: string, shape: CounterShape, atMs: number): readonly Window[] {
    const windows: Window[] = [];
    for (const anchorMs of this.#seen.get(account)?.anchors ?? []) {
      const window = this.windows.of(shape, atMs, anchorMs);
      if (!windows.some((other) => isSameWindow(other, window))) windows.push(window);
    }
    return windows;
  }

  /** Where whatever is counted for the account at a moment stands: the windows of every seeded shape of a meter. */
  seededAt(
    account: string,
    meter: string,
    atMs: number,
  ): readonly { readonly shape: CounterShape; readonly window: Window }[] {
    return this.shapesOf(meter).flatMap((shape) =>
      this.unheard(account, shape, 0, atMs).map((window) => ({ shape, window })),
    );
  }
}

export function isSameWindow(one: Window, other: Window): boolean {
  return one.startMs === other.startMs && one.endMs === other.endMs;
}

function isSeeded(seen: Seen | undefined, spans: readonly Span[]): boolean {
  const first = spans[0];
  return seen !== undefined && first !== undefined && first.from <= seen.epoch;
}
