/**
 * A gateway before a recording upstream: hostile streams go in, and what came of each comes out: its answers, the messages that were
 * forwarded for it, and the judge's word on those bytes. Knows nothing of what the streams are.
 */
import { metricOf } from "#test/support/metrics.ts";
import { type Gateway, startGateway } from "#test/support/process.ts";
import { operatorOf, sceneConfig } from "#test/support/scene.ts";
import { until } from "#test/support/until.ts";
import type { Lane } from "#test/support/lanes.ts";
import { addressOf, type Answers, Client } from "./client.ts";
import { judge } from "./judge.ts";
import type { StrictMessage } from "./readers/strict.ts";
import { type Record as Recorded, RecordingUpstream } from "./recording-upstream.ts";

export interface Outcome extends Answers {
  /** What was forwarded for the stream, cut-off messages too. */
  readonly messages: readonly StrictMessage[];
}

/** Bytes that the judge took exception to. */
export interface Conviction {
  readonly kind: "malformed" | "ambiguous" | "nobody's" | "forged";
  readonly why: string;
  readonly bytes: string;
  /** Number of the stream it was forwarded for; null: no telling. */
  readonly stream: number | null;
}

export interface Result {
  readonly outcomes: readonly Outcome[];
  readonly convictions: readonly Conviction[];
}

/** How one stream is sent, on a connection of its own. */
export type Sender = (client: Client, stream: Buffer, index: number) => void | Promise<void>;

const sendAll: Sender = (client, stream) => client.send(stream);

export const WORKERS = 2;
/** Connections open at a time, as long as nothing else is said. */
const CROWD = 1500;

const LIMITS = { headerTimeout: "2s", idleTimeout: "2s", bodyRate: null };

export class Arena implements AsyncDisposable {
  readonly gateway: Gateway;
  /** A key of an account; requests without one are let through too. */
  readonly key: string;
  readonly #account: string;
  readonly #upstream: RecordingUpstream;
  #number = 0;

  private constructor(gateway: Gateway, upstream: RecordingUpstream, key: string, account: string) {
    this.gateway = gateway;
    this.#upstream = upstream;
    this.key = key;
    this.#account = account;
  }

  static async open(lane: Lane): Promise<Arena> {
    const upstream = await RecordingUpstream.start();
    const config = sceneConfig(upstream.url);
    const routes = [
      { name: "all", match: { path: "/**" }, upstream: "app", auth: "optional", meters: { api_calls: 1 } },
    ];
    const server = { ...Object(config.server), workers: WORKERS, lane, limits: LIMITS };
    const gateway = await startGateway({ ...config, server, routes });
    const { secret, account } = await operatorOf(gateway).key();
    return new Arena(gateway, upstream, secret, account);
  }

  /** Sends the streams, `crowd` of them at a time, and waits until the gateway has closed every connection. */
  async send(streams: readonly Buffer[], sender: Sender = sendAll, crowd = CROWD): Promise<Result> {
    const first = this.#number;
    this.#number += streams.length;
    const answers: Answers[] = [];
    let next = 0;
    const sendOn = async (): Promise<void> => {
      for (let index = next++; index < streams.length; index = next++) {
        const client = new Client(this.gateway.port, first + index);
        await sender(client, streams[index] ?? Buffer.alloc(0), index);
        answers[index] = await client.done;
      }
    };
    await Promise.all(Array.from({ length: Math.min(crowd, streams.length) }, sendOn));
    const { convictions, messages } = judgeAll(await this.#upstream.take());
    const numbers = new Map(streams.map((_, index) => [addressOf(first + index), index]));
    const outcomes = answers.map((answer, index) => ({
      ...answer,
      messages: messages.get(addressOf(first + index)) ?? [],
    }));
    const found = convictions.map(({ address, ...rest }) => ({ ...rest, stream: numbers.get(address ?? "") ?? null }));
    for (const [address, [message]] of messages)
      if (!numbers.has(address))
        found.push({ kind: "nobody's", why: `for ${address}`, bytes: message?.target ?? "", stream: null });
    return { outcomes, convictions: found };
  }

  /** Requests that the gateway's metrics say were answered with 2xx; waits a while for the wanted number. */
  async counted(wanted: number): Promise<number> {
    return await reached(wanted, () => metricOf(this.gateway, 'tollgate_requests_total{route="all",status="2xx"}'));
  }

  /** Units the account of `key` has used; waits a while for the wanted number. */
  async used(wanted: number): Promise<number> {
    const operator = operatorOf(this.gateway);
    return await reached(wanted, () => operator.used(this.#account));
  }

  /** Lines of the log that warn of anything: faults, workers that failed, answers of status 5xx. */
  troubles(): readonly string[] {
    const bad = this.gateway.logs().filter(({ level }) => Number(level) >= 40);
    return bad.map((line) => JSON.stringify(line));
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.gateway[Symbol.asyncDispose]();
    await this.#upstream[Symbol.asyncDispose]();
  }
}

async function reached(wanted: number, look: () => Promise<number>): Promise<number> {
  let last = -1;
  const isReached = async () => (last = await look()) === wanted;
  await until(`it is ${wanted}`, isReached, 5000).catch(() => undefined);
  return last;
}

interface Found extends Omit<Conviction, "stream"> {
  readonly address: string | null;
}

function judgeAll(records: readonly Recorded[]): {
  readonly convictions: Found[];
  readonly messages: Map<string, StrictMessage[]>;
} {
  const convictions: Found[] = [];
  const messages = new Map<string, StrictMessage[]>();
  for (const { messages: parts, rest } of records) {
    const whole = [...parts, rest].join("");
    const verdict = judge(whole);
    if (verdict.kind !== "clear") convictions.push(...convict(parts, rest, verdict.kind, verdict.why));
    for (const message of verdict.messages) {
      const address = valueOf(message, "x-forwarded-for");
      if (isForged(message)) convictions.push({ kind: "forged", why: message.marks, bytes: whole, address });
      messages.set(address, [...(messages.get(address) ?? []), message]);
    }
  }
  return { convictions, messages };
}

/** One by one, so that the guilty message is named; where none is guilty by itself, all of the connection is. */
function convict(parts: readonly string[], rest: string, kind: Found["kind"], why: string): readonly Found[] {
  const guilty = [...parts, rest].flatMap((bytes): readonly Found[] => {
    const verdict = judge(bytes);
    return verdict.kind === "clear" ? [] : [{ kind: verdict.kind, why: verdict.why, bytes, address: addressIn(bytes) }];
  });
  return guilty.length > 0 ? guilty : [{ kind, why, bytes: [...parts, rest].join(""), address: null }];
}

function addressIn(bytes: string): string | null {
  return /\r\nx-forwarded-for: (127\.[\d.]+)\r\n/.exec(bytes)?.[1] ?? null;
}

/** Carries what only the gateway may say, and does not. */
function isForged({ fields }: StrictMessage): boolean {
  const names = fields.map(([name]) => name);
  const isKnown = names.includes("x-tollgate-key-id");
  return names.some((name) => name.startsWith("x-consumer-") || (name.startsWith("x-tollgate-") && !isKnown));
}

function valueOf(message: StrictMessage, wanted: string): string {
  return message.fields.find(([name]) => name === wanted)?.[1] ?? "";
}
