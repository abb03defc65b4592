/** Plays a stream on both lanes at once, in the same pieces, and tells what was seen on each. */
import { setTimeout as sleep } from "node:timers/promises";
import type { MadeKey } from "#test/support/scene.ts";
import { isSameObservation } from "./compare.ts";
import { Conversation } from "./conversation.ts";
import { type Observation, observe, type Outlook, outlookOf } from "./observation.ts";
import { piecesOf, type Stream } from "./streams.ts";
import type { Lane } from "./world.ts";

/** Between two pieces, so that each is a read of its own. */
const PIECE_GAP_MS = 4;
const LOOK_MS = 6;
/** So often nothing has come or gone: no more is expected where both lanes say the same. */
const QUIET_LOOKS = 3;
/** The same when an answer should still come: the machine may be busy. */
const EXPECTING_LOOKS = 150;
/** So long a lane that is behind the other one is waited for. */
const PATIENCE_MS = 2000;

export interface Seen {
  /** All has been sent, and nothing more came. */
  readonly before: Observation;
  /** The client has left. */
  readonly after: Observation;
}

/** What a stream's own player is: a key on each lane, and the address its connections come from. */
export interface Player {
  readonly keys: readonly MadeKey[];
  readonly address: string;
}

export async function play(lanes: readonly Lane[], stream: Stream, player: Player): Promise<readonly Seen[]> {
  const parts = await Promise.all(lanes.map((lane, index) => Part.open(lane, stream, player, index)));
  try {
    await Promise.all(parts.map((part) => part.send()));
    const before = await settled(parts, () => true);
    for (const part of parts) part.leave(stream.leaves);
    const after = await settled(parts, () => parts.every(({ closed }) => closed));
    return parts.map((_, index) => seenOf(before[index], after[index]));
  } finally {
    for (const part of parts) part[Symbol.dispose]();
  }
}

function seenOf(before: Observation | undefined, after: Observation | undefined): Seen {
  if (before === undefined || after === undefined) throw new Error("A lane was not observed");
  return { before, after };
}

/** What is seen once both are quiet and equal, `done` holds, or patience is at its end. */
async function settled(parts: readonly Part[], done: () => boolean): Promise<readonly Observation[]> {
  for (const endMs = performance.now() + PATIENCE_MS; ; await sleep(LOOK_MS)) {
    const now = performance.now();
    for (const part of parts) part.look();
    if (now < endMs && !(done() && parts.every(({ quietLooks }) => quietLooks > QUIET_LOOKS))) continue;
    const seen = parts.map((part) => part.observe());
    if (now >= endMs) return seen;
    const [auto, full] = seen;
    const isWhole = parts.every((part, index) => part.isWhole(seen[index]));
    if (isWhole && auto !== undefined && full !== undefined && isSameObservation(auto, full)) return seen;
  }
}

/** The stream on one lane. */
class Part {
  readonly #conversation: Conversation;
  readonly #lane: Lane;
  readonly #client: string;
  readonly #key: MadeKey;
  readonly #pieces: readonly Buffer[];
  readonly #outlook: Outlook;
  #events = 0;
  quietLooks = 0;

  static async open(lane: Lane, stream: Stream, { keys, address }: Player, index: number): Promise<Part> {
    const key = keys[index];
    if (key === undefined) throw new Error(`No key for lane ${index}`);
    const conversation = await Conversation.open(lane.gateway.port, address);
    return new Part(lane, conversation, address, key, piecesOf(stream, key.secret));
  }

  private constructor(lane: Lane, conversation: Conversation, client: string, key: MadeKey, pieces: readonly Buffer[]) {
    this.#key = key;
    this.#lane = lane;
    this.#conversation = conversation;
    this.#client = client;
    this.#pieces = pieces;
    this.#outlook = outlookOf(Buffer.concat(pieces));
  }

  async send(): Promise<void> {
    for (const [index, piece] of this.#pieces.entries()) {
      if (index > 0) await sleep(PIECE_GAP_MS);
      this.#conversation.send(piece);
    }
  }

  /** Called at each look: how often nothing has come or gone since. Not by the clock, which goes on while this process stands still. */
  look(): void {
    const isActive = this.#conversation.events !== this.#events || this.#lane.upstream.isBusy(this.#client);
    this.#events = this.#conversation.events;
    this.quietLooks = isActive ? 0 : this.quietLooks + 1;
  }

  /** Nothing more is expected. */
  isWhole(seen: Observation | undefined): boolean {
    const answers = seen?.answers.filter((answer) => !answer.startsWith("1")).length ?? 0;
    return this.closed || answers >= this.#outlook.answers || this.quietLooks > EXPECTING_LOOKS;
  }

  get closed(): boolean {
    return this.#conversation.closed;
  }

  observe(): Observation {
    return observe(this.#conversation, this.#outlook, this.#lane.upstream.messages(this.#client), this.#key);
  }

  leave(how: "end" | "reset"): void {
    this.#conversation.leave(how);
  }

  [Symbol.dispose](): void {
    this.#conversation[Symbol.dispose]();
    this.#lane.upstream.forget(this.#client);
  }
}
