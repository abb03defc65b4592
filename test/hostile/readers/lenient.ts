/**
 * Reads requests as servers in the field do: takes what it can, in one of many ways (`dialects.ts`). Where the strict reader and all of
 * these see the same messages, nobody behind the gateway can be led astray by the bytes.
 */
import { isMark, type Message, type Reading } from "./reading.ts";

/** One way to take what RFC 9112 does not allow. Everything gets texts as they stand on the wire. */
export interface Dialect {
  readonly name: string;
  /** What ends a line: CRLF only; LF, with the CRs before it; or each of CR, LF and CRLF. */
  readonly lines: "crlf" | "lf" | "cr";
  /** What becomes of a line that begins with white space: part of the value before, a field of its own, or nothing. */
  readonly folds: "join" | "field" | "drop";
  /** A line before it is looked at. */
  cleaned(line: string): string;
  /** The request line's method and target; null: no request line. */
  startOf(line: string): readonly [string, string] | null;
  /** The name a field is known by, in lower case. */
  nameOf(name: string): string;
  textOf(value: string): string;
  /** Which of several equal fields counts. */
  readonly repeated: "first" | "last";
  /** Bytes that a Content-Length stands for; null: none. */
  lengthOf(value: string): number | null;
  isChunked(coding: string): boolean;
  readonly prefers: "chunks" | "length";
  /** Bytes that a chunk's line stands for; null: it is none. */
  sizeOf(line: string): number | null;
  /** What stands behind a chunk's content: a line end, or two octets of any kind. */
  readonly chunkEnd: "line" | "octets";
  hostOf(field: string, target: string): string;
  /** All that follows a request to upgrade is another protocol. */
  readonly upgrades: boolean;
}

interface Line {
  readonly text: string;
  readonly next: number;
}

export interface OneReading {
  readonly message: Message;
  readonly end: number;
  /** No HTTP follows. */
  readonly isLast: boolean;
}

type Fields = ReadonlyMap<string, readonly string[]>;

export function readLeniently(text: string, dialect: Dialect): Reading {
  const messages: Message[] = [];
  let at = 0;
  while (at < text.length) {
    const one = readOne(text, at, dialect);
    if (typeof one === "string") return { messages, fault: one };
    messages.push(one.message);
    at = one.end;
    if (one.isLast) break;
  }
  return { messages, fault: at < text.length ? "bytes of another protocol" : null };
}

/** The message that begins here, or why there is none; `incomplete` when more bytes could make it one. */
export function readOne(text: string, start: number, dialect: Dialect): OneReading | "incomplete" | "no request" {
  let line = lineAt(text, start, dialect);
  while (line?.text === "") line = lineAt(text, line.next, dialect);
  if (line === null) return "incomplete";
  const begin = dialect.startOf(line.text);
  if (begin === null) return "no request";
  const section = fieldsAt(text, line.next, dialect);
  if (section === null) return "incomplete";
  const [method, target] = begin;
  const { fields, next } = section;
  const { body, end } = bodyAt(text, next, fields, dialect);
  const host = dialect.hostOf(picked(fields, "host", dialect) ?? "", target).toLowerCase();
  const message = { method, target, host, body, marks: marksOf(fields), whole: end !== null };
  const isLast = dialect.upgrades && fields.has("upgrade");
  return { message, end: end ?? text.length, isLast };
}

function lineAt(text: string, start: number, { lines, cleaned }: Dialect): Line | null {
  if (lines === "crlf") {
    const end = text.indexOf("\r\n", start);
    return end === -1 ? null : { text: cleaned(text.slice(start, end)), next: end + 2 };
  }
  const lf = text.indexOf("\n", start);
  if (lines === "lf")
    return lf === -1 ? null : { text: cleaned(text.slice(start, lf).replace(/\r+$/, "")), next: lf + 1 };
  const cr = text.indexOf("\r", start);
  const end = cr === -1 || (lf !== -1 && lf < cr) ? lf : cr;
  if (end === -1) return null;
  return { text: cleaned(text.slice(start, end)), next: end === cr && lf === cr + 1 ? lf + 1 : end + 1 };
}

function fieldsAt(
  text: string,
  start: number,
  dialect: Dialect,
): { readonly fields: Fields; readonly next: number } | null {
  const fields = new Map<string, string[]>();
  let last: string[] | null = null;
  for (let at = start; ; ) {
    const line = lineAt(text, at, dialect);
    if (line === null) return null;
    if (line.text === "") return { fields, next: line.next };
    at = line.next;
    if (dialect.folds !== "field" && /^[ \t]/.test(line.text)) {
      if (dialect.folds === "join") last?.push(`${last.pop() ?? ""} ${dialect.textOf(line.text)}`.trim());
    } else last = addField(line.text, fields, dialect) ?? last;
  }
}

/** The values of the field's name so far; null: the line is no field. */
function addField(line: string, fields: Map<string, string[]>, dialect: Dialect): string[] | null {
  const colon = line.indexOf(":");
  if (colon === -1) return null;
  const name = dialect.nameOf(line.slice(0, colon));
  const values = fields.get(name) ?? [];
  values.push(dialect.textOf(line.slice(colon + 1)));
  fields.set(name, values);
  return values;
}

function picked(fields: Fields, name: string, { repeated }: Dialect): string | undefined {
  return fields.get(name)?.at(repeated === "first" ? 0 : -1);
}

function marksOf(fields: Fields): string {
  const marks: string[] = [];
  for (const [name, values] of fields) if (isMark(name)) marks.push(...values.map((value) => `${name}: ${value}`));
  return marks.toSorted().join("\n");
}

interface Body {
  readonly body: string;
  /** null: the bytes stop before. */
  readonly end: number | null;
}

function bodyAt(text: string, at: number, fields: Fields, dialect: Dialect): Body {
  const length = dialect.lengthOf(picked(fields, "content-length", dialect) ?? "");
  const chunked = dialect.isChunked(picked(fields, "transfer-encoding", dialect) ?? "");
  if (chunked && (length === null || dialect.prefers === "chunks")) return chunksAt(text, at, dialect);
  const end = at + (length ?? 0);
  return { body: text.slice(at, end), end: end <= text.length ? end : null };
}

function chunksAt(text: string, start: number, dialect: Dialect): Body {
  let body = "";
  for (let at = start; ; ) {
    const line = lineAt(text, at, dialect);
    const size = line === null ? null : dialect.sizeOf(line.text);
    if (line === null || size === null) return { body, end: null };
    if (size === 0) return { body, end: fieldsAt(text, line.next, dialect)?.next ?? null };
    const end = line.next + size;
    body += text.slice(line.next, end);
    const next = dialect.chunkEnd === "octets" ? end + 2 : lineAt(text, end, dialect)?.next;
    if (next === undefined || next > text.length) return { body, end: null };
    at = next;
  }
}
