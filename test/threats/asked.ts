/** One request to the app that speaks by hand (`/wire/**`), and what the client and the ledger saw of its answer. Judges nothing. */
import { type RawAnswer, rawExchange, requestHead } from "#test/support/raw.ts";
import { keyOf } from "./expectations.ts";
import type { WireHandler } from "./wire-app.ts";
import type { World } from "./world.ts";

export interface Asked {
  /** Of the final answer; null: there was none. */
  readonly status: number | null;
  /** The answer came to its end. */
  readonly whole: boolean;
  readonly body: string;
  readonly closed: boolean;
  readonly usage: number;
  /** The rule that refused, of the gateway's own answers. */
  readonly rule: unknown;
  readonly answer: RawAnswer;
}

export interface AskOptions {
  readonly method?: string;
  readonly body?: string;
  readonly headers?: readonly string[];
  /** The client closes the connection behind its answer; left out, the gateway is asked to. */
  readonly keeps?: boolean;
}

/** Longer than any answer takes. */
const SILENCE_MS = 8000;

export async function ask(world: World, script: WireHandler, options: AskOptions = {}): Promise<Asked> {
  const { method = "GET", body = "", headers = [], keeps = false } = options;
  world.wire.script(script);
  const before = await world.tally();
  const lines = [
    keyOf(world),
    ...(keeps ? [] : ["Connection: close"]),
    ...(body === "" ? [] : [`Content-Length: ${body.length}`]),
    ...headers,
  ];
  const answer = await rawExchange(world.gateway.port, requestHead(method, "/wire/x", lines) + body, {
    ...(keeps ? { responses: 1 } : {}),
    methods: [method],
    idleMs: SILENCE_MS,
  });
  const last = answer.responses.findLast(({ status }) => status >= 200);
  return {
    status: last?.status ?? null,
    whole: last?.complete ?? false,
    body: last?.body.toString("latin1") ?? "",
    closed: answer.closed,
    usage: (await world.tally()).usage - before.usage,
    rule: last?.header("content-type") === "application/problem+json" ? ruleOf(last.json()) : null,
    answer,
  };
}

function ruleOf(problem: unknown): unknown {
  return typeof problem === "object" && problem !== null && "rule" in problem ? problem.rule : null;
}

/** Answers every call with these bytes and leaves its connection open. */
export function saying(...pieces: readonly (string | Uint8Array)[]): WireHandler {
  return ({ socket }) => {
    for (const piece of pieces) socket.write(typeof piece === "string" ? Buffer.from(piece, "latin1") : piece);
  };
}
