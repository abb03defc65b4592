/**
 * What can be seen of one conversation, as lines that are compared. Left out is what may differ between two gateways: the time, ids
 * that the gateway makes, whether a caller was already noted as seen (noted in batches, by a clock of each gateway), the order of fields with different names, the sizes of chunks, whether it keeps a connection to the upstream,
 * how it spells `Content-Length` there, how it frames a body of no octets, and messages to the upstream that never became whole (of a request that breaks off within its
 * body some may have gone on its way, or nothing).
 */
import { RequestReading } from "#test/data-plane/wire/http1/readings.ts";
import { parseResponses, type RawResponse } from "#test/support/raw-response.ts";
import type { MadeKey } from "#test/support/scene.ts";
import { SILENT_ANSWER } from "./answers.ts";
import type { Conversation } from "./conversation.ts";
import type { Message } from "./upstream.ts";

export interface Observation {
  readonly answers: readonly string[];
  readonly closed: boolean;
  /** Whole messages that the upstream got. */
  readonly forwarded: readonly string[];
}

export function observe(
  { bytes, closed }: Conversation,
  { methods }: Outlook,
  messages: readonly Message[],
  key: MadeKey,
): Observation {
  const own = (text: string) => withoutOwn(text, key);
  return { answers: answersOf(bytes, methods).map(own), closed, forwarded: messages.map(messageText).map(own) };
}

/** The key and the account are each lane's own. */
function withoutOwn(text: string, { secret, id, account }: MadeKey): string {
  return text.replaceAll(secret, "SECRET").replaceAll(id, "KEY").replaceAll(account, "ACCOUNT");
}

/** What can be told of a stream before it is sent. */
export interface Outlook {
  /** Of its requests in order, as far as they can be read: answers to HEAD are cut otherwise than others. */
  readonly methods: readonly string[];
  /** Answers that will come unless the connection closes before. */
  readonly answers: number;
}

export function outlookOf(stream: Buffer): Outlook {
  const reading = new RequestReading();
  reading.take(Buffer.from(stream));
  const methods = reading.events.flatMap((event) => /^request (\S+)/.exec(event)?.[1] ?? []);
  const silent = reading.events.findIndex((event) => event.includes(`/as/${SILENT_ANSWER}`));
  const answered = silent === -1 ? reading.events : reading.events.slice(0, silent);
  return { methods, answers: answered.filter((event) => event === "whole").length };
}

function answersOf(bytes: Buffer, methods: readonly string[]): readonly string[] {
  try {
    // Not by `closed`: that an answer without a length ends with the connection is seen by itself.
    return parseResponses(bytes, { closed: false, methods }).map(answerText);
  } catch (error) {
    return [`${error} in ${JSON.stringify(masked(bytes.toString("latin1")))}`];
  }
}

function answerText({ status, reason, rawHeaders, body, trailers, complete }: RawResponse): string {
  const text = body.toString("latin1");
  const isNoted = complete && NOTED.test(text);
  const fields = rawHeaders.map(([name, value]) => {
    if (/^date$/i.test(name) && !value.includes("1970")) return `${name}: NOW`;
    if (/^content-length$/i.test(name) && isNoted) return `${name}: ${lengthOf(value, body)}`;
    return `${name}: ${value}`;
  });
  const whole = complete ? "" : "\n(not whole)";
  return masked([`${status} ${reason}`, ...sorted(fields), "", shortened(text), ...trailers].join("\n") + whole);
}

/** When a caller was last seen: noted in batches, so that each gateway may or may not know it yet. */
const NOTED = /("lastSeenAt":)(?:null|"[^"]*")/;

/** In words, for a body whose length depends on what was noted. */
function lengthOf(declared: string, body: Buffer): string {
  return Number(declared) === body.length ? "as the body's" : declared;
}

function messageText({ line, fields, body, trailers, odd }: Message): string {
  const compared = fields.filter((field) => !/^connection: (?:keep-alive|close)$/i.test(field));
  const isEmpty = body === "" && trailers.length === 0;
  const framed = compared.filter(
    (field) => !(isEmpty && /^(?:content-length: 0|transfer-encoding: chunked)$/i.test(field)),
  );
  const spelled = framed.map((field) => field.replace(/^content-length:/i, "content-length:"));
  return masked(
    [line, ...sorted(spelled), "", shortened(body), ...trailers].join("\n") + (odd ? "\n(odd framing)" : ""),
  );
}

/** By name; fields of one name keep their order. */
function sorted(fields: readonly string[]): readonly string[] {
  const nameOf = (field: string) => field.slice(0, field.indexOf(":")).toLowerCase();
  return [...fields].sort((a, b) => nameOf(a).localeCompare(nameOf(b)));
}

function shortened(body: string): string {
  return body.length <= 2000 ? body : `${body.slice(0, 100)}… ${body.length} octets …${body.slice(-100)}`;
}

/** Ids that a gateway makes, and times until something is free again. */
function masked(text: string): string {
  return text
    .replaceAll(/req_[0-9a-f]{32}/g, "req_ID")
    .replaceAll(/traceparent: 00-[0-9a-f]{32}-[0-9a-f]{16}-00/g, "traceparent: NEW")
    .replaceAll(/^host: 127\.0\.0\.1:\d+$/gm, "host: UPSTREAM")
    .replace(NOTED, "$1NOTED")
    .replaceAll(/\d{4}-\d\d-\d\dT[\d:.]+Z/g, "INSTANT")
    .replaceAll(/(;t=|retry-after: |"retry_after":)\d+/gi, "$1TIME");
}
