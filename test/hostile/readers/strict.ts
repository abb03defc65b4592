/**
 * Reads requests as RFC 9112 has them and as a sender must write them, and nothing else. Written for the judge alone: shares nothing
 * with the gateway's own reader, so that a misreading there is not repeated here. Takes the whole bytes of a connection; not fast.
 * One liberty: a target may have any visible ASCII (RFC 3986 has fewer), since nobody frames by it.
 */
import { isMark, type Message, type Reading } from "./reading.ts";

export interface StrictMessage extends Message {
  /** Names in lower case. */
  readonly fields: readonly (readonly [string, string])[];
}

export interface StrictReading extends Reading {
  readonly messages: readonly StrictMessage[];
}

const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const START = new RegExp(`^(${TOKEN}) (/[!-~]*|\\*) HTTP/1\\.[01]$`);
const FIELD = new RegExp(`^(${TOKEN}):[ \\t]*((?:[!-~\\x80-\\xff](?:[\\t -~\\x80-\\xff]*[!-~\\x80-\\xff])?)?)[ \\t]*$`);
const SIZE = new RegExp(
  `^([0-9A-Fa-f]{1,13})((?:;${TOKEN}(?:=(?:${TOKEN}|"(?:[^"\\\\\\x00-\\x08\\x0a-\\x1f\\x7f]|\\\\[\\t -~\\x80-\\xff])*"))?)*)$`,
);
const HOST = /^(?:[A-Za-z0-9._~!$&'()*+,;=%-]+|\[[0-9A-Fa-f:.]+\])(?::[0-9]*)?$/;

/** Ends a reading: what came is no message. */
class Fault extends Error {}

export function readStrictly(text: string): StrictReading {
  const messages: StrictMessage[] = [];
  let at = 0;
  try {
    while (at < text.length) {
      const [message, end] = readMessage(text, at);
      messages.push(message);
      at = end;
    }
    return { messages, fault: null };
  } catch (error) {
    if (error instanceof Fault) return { messages, fault: error.message };
    throw error;
  }
}

function readMessage(text: string, start: number): [StrictMessage, number] {
  const [line, afterLine] = lineAt(text, start);
  const [, method = "", target = ""] = START.exec(line) ?? fail("no request line", line);
  if (target === "*" && method !== "OPTIONS") fail("an asterisk", line);
  const [fields, bodyStart] = fieldsAt(text, afterLine);
  const host = hostOf(fields);
  const [body, end] = bodyAt(text, bodyStart, fields, line.endsWith("1.1"));
  const marks = fields.filter(([name]) => isMark(name)).map(([name, value]) => `${name}: ${value}`);
  const message = { method, target, host, body, marks: marks.toSorted().join("\n"), whole: end !== null, fields };
  return [message, end ?? text.length];
}

function fail(what: string, where: string): never {
  throw new Fault(`${what}: ${JSON.stringify(where.slice(0, 120))}`);
}

function lineAt(text: string, start: number): [string, number] {
  const end = text.indexOf("\r\n", start);
  if (end === -1) fail("no end of a line", text.slice(start));
  return [text.slice(start, end), end + 2];
}

function fieldsAt(text: string, start: number): [(readonly [string, string])[], number] {
  const fields: (readonly [string, string])[] = [];
  for (let at = start; ; ) {
    const [line, next] = lineAt(text, at);
    if (line === "") return [fields, next];
    const [, name = "", value = ""] = FIELD.exec(line) ?? fail("no field", line);
    fields.push([name.toLowerCase(), value]);
    at = next;
  }
}

function only(fields: StrictMessage["fields"], wanted: string): string | null {
  const values = fields.filter(([name]) => name === wanted).map(([, value]) => value);
  if (values.length > 1) fail(`${wanted} more than once`, values.join(" | "));
  return values[0] ?? null;
}

function hostOf(fields: StrictMessage["fields"]): string {
  const host = only(fields, "host");
  if (host === null || !HOST.test(host)) fail("no host", host ?? "");
  return host.toLowerCase();
}

/** The body and where it ends; null: the bytes stop before. */
function bodyAt(text: string, at: number, fields: StrictMessage["fields"], isNew: boolean): [string, number | null] {
  const length = only(fields, "content-length");
  const coding = only(fields, "transfer-encoding");
  if (length !== null && coding !== null) fail("two framings", `${length} | ${coding}`);
  if (coding !== null) {
    if (coding.toLowerCase() !== "chunked" || !isNew) fail("another coding than chunks", coding);
    return chunksAt(text, at);
  }
  if (length === null) return ["", at];
  if (!/^[0-9]{1,15}$/.test(length)) fail("no length", length);
  const end = at + Number(length);
  return [text.slice(at, end), end <= text.length ? end : null];
}

function chunksAt(text: string, start: number): [string, number | null] {
  let body = "";
  for (let at = start; ; ) {
    if (text.indexOf("\r\n", at) === -1) return [body, cut(text, at, /^[0-9A-Fa-f]*(?:;[^\r\n]*)?\r?$/)];
    const [line, next] = lineAt(text, at);
    const [, digits = ""] = SIZE.exec(line) ?? fail("no chunk size", line);
    const size = Number.parseInt(digits, 16);
    if (size === 0) return [body, trailersEnd(text, next)];
    const end = next + size;
    body += text.slice(next, end);
    if (end + 2 > text.length) return [body, cut(text, end, /^\r?$/)];
    if (text.slice(end, end + 2) !== "\r\n") fail("no end of a chunk", text.slice(end, end + 8));
    at = end + 2;
  }
}

/** The bytes stop here, and what there is of the next thing could still become one. */
function cut(text: string, at: number, beginning: RegExp): null {
  const rest = text.slice(at);
  return beginning.test(rest) ? null : fail("no chunk", rest);
}

function trailersEnd(text: string, start: number): number | null {
  if (!text.startsWith("\r\n", start) && !text.includes("\r\n\r\n", start)) return null;
  const [fields, end] = fieldsAt(text, start);
  for (const [name] of fields)
    if (name === "content-length" || name === "transfer-encoding") fail("framing in the trailers", name);
  return end;
}
