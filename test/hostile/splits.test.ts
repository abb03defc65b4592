/**
 * Requests that come in two pieces, cut at every offset: the gateway must see in them what it sees in the whole. 200 of the own cases
 * and the corpus, half of them good ones, with TOLLGATE_LONG=1 (CI), otherwise 12; TOLLGATE_SEED makes another choice.
 */
import { describe, expect, test } from "vitest";
import { type Random, randomOf, repeatableSeed } from "#test/support/random.ts";
import { acceptedOn } from "./accepted.ts";
import { LANES } from "#test/support/lanes.ts";
import { Arena, type Outcome, type Sender } from "./arena.ts";
import { type Case, readCorpus } from "./corpus.ts";
import { Figures, wrongs } from "./figures.ts";
import { ownCases } from "./own-cases.ts";
import { Rounds } from "./rounds.ts";

const LONG = process.env.TOLLGATE_LONG === "1";
const CASES = LONG ? 200 : 12;
/** Longer ones only repeat themselves: their offsets would be thousands. */
const BYTES_MAX = 400;

/** The same in every run, so that a failure is the change's. */
const random = randomOf(repeatableSeed);
const known = [...ownCases(), ...(readCorpus() ?? [])].filter(({ bytes }) => bytes.length <= BYTES_MAX);
/** Behind an upgrade that it does not take, node's parser (full lane) drops what came in the same read. */
const UPGRADE = /\r\nupgrade:/i;
const accepted = new Set(
  [...acceptedOn("auto", "cases"), ...acceptedOn("auto", "corpus")].map((line) => line.replace(/^\d /, "")),
);
// Half of them such as are forwarded: most of all the others are refused at the same few places.
const good = chosen(
  known.filter(({ id }) => accepted.has(id)),
  CASES / 2,
  random,
);
const cases = [
  ...good,
  ...chosen(
    known.filter(({ id }) => !accepted.has(id)),
    CASES - good.length,
    random,
  ),
];

function chosen(from: Case[], count: number, { between }: Random): readonly Case[] {
  return Array.from({ length: Math.min(count, from.length) }, () => from.splice(between(0, from.length - 1), 1)).flat();
}

/** On each connection goes before: its answer says that the gateway has taken the connection and reads from it. */
const FIRST = Buffer.from("GET /first HTTP/1.1\r\nHost: a.test\r\n\r\n");

/** Behind it goes what ends the connection, where the gateway does not end it before. */
const LAST = Buffer.from("GET /last HTTP/1.1\r\nHost: a.test\r\nConnection: close\r\n\r\n");
/** Few enough that this thread never keeps the connections of `Rounds` waiting. */
const CROWD = 200;

interface Piece {
  readonly one: Case;
  /** Bytes of the first piece; 0: all in one. */
  readonly at: number;
}

/** What a stream came to, without what differs from one time to the next: of a message that breaks off any part may have been forwarded. */
function textOf({ statuses, messages }: Outcome): string {
  const whole = messages.filter((message) => message.whole);
  // In no order: messages of one client may take any of the upstream's connections.
  const texts = whole.map(({ method, target, host, body }) => JSON.stringify([method, target, host, body])).toSorted();
  return JSON.stringify([statuses, texts]);
}

describe.each(LANES)("lane %s", (lane) => {
  test(`${cases.length} cases come to the same in two pieces, wherever they are cut`, {
    timeout: LONG ? 600_000 : 60_000,
  }, async () => {
    await using arena = await Arena.open(lane);
    using rounds = await Rounds.open(arena);
    const tried = cases.filter(({ bytes }) => lane === "auto" || !UPGRADE.test(bytes.toString("latin1")));
    const pieces = tried.flatMap((one): Piece[] => Array.from({ length: one.bytes.length }, (_, at) => ({ one, at })));
    const send: Sender = async (client, stream, index) => {
      client.send(FIRST);
      await client.answered(1);
      const at = pieces[index]?.at ?? 0;
      if (at > 0) {
        client.send(stream.subarray(0, at));
        await rounds.allHaveRead();
      }
      client.send(stream.subarray(at));
    };
    const result = await arena.send(
      pieces.map(({ one }) => Buffer.concat([one.bytes, LAST])),
      send,
      CROWD,
    );
    const figures = new Figures();
    figures.add(result);
    process.stdout.write(`Lane ${lane}, in two pieces: ${figures.text()}\n`);
    expect(await wrongs(figures, arena, (number) => pieces[number]?.one.bytes ?? Buffer.alloc(0))).toEqual([]);
    expect(differing(pieces, result.outcomes)).toEqual([]);
  });
});

/** Those whose pieces came to something else than the whole. */
function differing(pieces: readonly Piece[], outcomes: readonly Outcome[]): readonly string[] {
  let whole = "";
  return pieces.flatMap(({ one, at }, index) => {
    const outcome = outcomes[index];
    const text = outcome === undefined ? "" : textOf(outcome);
    if (at === 0) whole = text;
    return text === whole ? [] : [`${one.id}, cut at ${at}: ${text}, as a whole: ${whole}`];
  });
}
