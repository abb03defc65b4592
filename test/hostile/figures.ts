/** Adds up what came of hostile streams, and says what must never be among it. */
import type { Arena, Conviction, Outcome, Result } from "./arena.ts";

/** A stream for which another number of messages was forwarded than answers came back. */
interface Mismatch {
  readonly stream: number;
  readonly statuses: readonly number[];
  readonly forwarded: number;
}

const SUMS = ["streams", "accepted", "forwarded", "keyed", "cut", "unanswered", "reset", "hung"] as const;

export class Figures {
  streams = 0;
  /** Streams of which at least one message was forwarded. */
  accepted = 0;
  /** Messages that the upstream saw whole. */
  forwarded = 0;
  /** Those of them that said whose they are. */
  keyed = 0;
  /** Messages that broke off in their bodies. */
  cut = 0;
  readonly refused = new Map<number, number>();
  /** Streams that were not answered at all. */
  unanswered = 0;
  reset = 0;
  hung = 0;
  readonly convictions: Conviction[] = [];
  readonly mismatches: Mismatch[] = [];

  /** `first` is the number of the first stream. */
  add({ outcomes, convictions }: Result, first = 0): void {
    outcomes.forEach((outcome, index) => this.#addOne(outcome, first + index));
    for (const one of convictions)
      this.convictions.push({ ...one, stream: one.stream === null ? null : first + one.stream });
  }

  #addOne({ statuses, ending, messages }: Outcome, stream: number): void {
    const whole = messages.filter((message) => message.whole);
    // 204 is the gateway's own answer to `OPTIONS *`; the upstream never gives it.
    const served = statuses.filter((status) => status < 300 && status !== 204).length;
    this.streams++;
    this.accepted += whole.length > 0 ? 1 : 0;
    this.forwarded += whole.length;
    this.keyed += whole.filter(({ fields }) => fields.some(([name]) => name === "x-tollgate-key-id")).length;
    this.cut += messages.length - whole.length;
    for (const status of statuses) if (status >= 300) this.refused.set(status, (this.refused.get(status) ?? 0) + 1);
    this.unanswered += statuses.length === 0 ? 1 : 0;
    this.reset += ending === "reset" ? 1 : 0;
    this.hung += ending === "hung" ? 1 : 0;
    if (whole.length !== served) this.mismatches.push({ stream, statuses, forwarded: whole.length });
  }

  /** Adds those of another gateway. */
  addAll(other: Figures): void {
    for (const name of SUMS) this[name] += other[name];
    for (const [status, count] of other.refused) this.refused.set(status, (this.refused.get(status) ?? 0) + count);
    this.convictions.push(...other.convictions);
    this.mismatches.push(...other.mismatches);
  }

  /** In one line. */
  text(): string {
    const of = (wanted: Conviction["kind"]) => this.convictions.filter(({ kind }) => kind === wanted).length;
    const refused = [...this.refused].toSorted().map(([status, count]) => `${count}×${status}`);
    return [
      `${this.streams} streams`, `${this.accepted} accepted`, `${this.forwarded} messages forwarded (${this.keyed} with a key)`, `${this.cut} cut off`,
      `refused ${refused.join(" ")}`, `${this.unanswered} closed without a word`, `${this.reset} reset`, `${this.hung} hung`,
      `malformed ${of("malformed")}`, `ambiguous ${of("ambiguous")}`, `status 500 ${this.refused.get(500) ?? 0}`,
    ].join(", "); // biome-ignore format: a list
  }
}

/** What may never come of any stream, in words; empty when all is well. `stream` gives the bytes of a stream by its number. */
export async function wrongs(
  figures: Figures,
  arena: Arena,
  stream: (number: number) => Buffer,
): Promise<readonly string[]> {
  const shown = (number: number | null) =>
    number === null ? "nobody" : `stream ${number} ${JSON.stringify(stream(number).toString("latin1"))}`;
  const faults = [...figures.refused]
    .filter(([status]) => status >= 500)
    .map(([status, count]) => `${count} answers of status ${status}`);
  return [
    ...figures.convictions.map(
      ({ kind, why, bytes, stream: number }) => `${kind}: ${why}, for ${shown(number)}: ${JSON.stringify(bytes)}`,
    ),
    ...figures.mismatches.map(
      ({ stream: number, statuses, forwarded }) =>
        `${forwarded} forwarded, answered with ${statuses.join(" ")}, for ${shown(number)}`,
    ),
    ...faults,
    ...(figures.hung > 0 ? [`${figures.hung} hung`] : []),
    ...arena.troubles(),
    ...(await miscounts(figures, arena)),
  ];
}

/** Whether the gateway's own figures are what the upstream saw. */
async function miscounts(figures: Figures, arena: Arena): Promise<readonly string[]> {
  const counted = await arena.counted(figures.forwarded);
  const used = await arena.used(figures.keyed);
  return [
    ...(counted === figures.forwarded ? [] : [`${figures.forwarded} forwarded, ${counted} counted in the metrics`]),
    ...(used === figures.keyed ? [] : [`${figures.keyed} forwarded with a key, ${used} counted as usage`]),
  ];
}
