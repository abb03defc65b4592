/**
 * The upstream behind both lanes, by hand on sockets: keeps every message that a gateway forwards, and answers by its path
 * (`answers.ts`) with bytes no HTTP server would send. Whose message it is says `X-Forwarded-For`: each stream has an address of its
 * own. Reads what gateways write, which must be plain: anything else is a message that is `odd`.
 */
import type { Socket } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { startTcp } from "#test/support/server.ts";
import { answerFor, type RawAnswerPlan } from "./answers.ts";

/** Between two pieces of an answer. */
const PIECE_GAP_MS = 2;

export interface Message {
  readonly line: string;
  /** Field lines, in their order. */
  readonly fields: readonly string[];
  readonly body: string;
  /** Lines behind a chunked body. */
  readonly trailers: readonly string[];
  /** Not as a gateway frames messages. */
  readonly odd: boolean;
}

export interface LaneUpstream extends AsyncDisposable {
  readonly url: string;
  /** Whole messages of one client, in the order they became whole. */
  messages(client: string): readonly Message[];
  /** Answers to it are being written. */
  isBusy(client: string): boolean;
  forget(client: string): void;
}

/** What is known of one client. */
interface Book {
  readonly messages: Message[];
  busy: number;
}

export async function startLaneUpstream(): Promise<LaneUpstream> {
  const books = new Map<string, Book>();
  const bookOf = (client: string): Book => {
    const book = books.get(client) ?? { messages: [], busy: 0 };
    books.set(client, book);
    return book;
  };
  const server = await startTcp((socket) => new Reader(socket, bookOf));
  return {
    url: server.url,
    messages: (client) => books.get(client)?.messages ?? [],
    isBusy: (client) => (books.get(client)?.busy ?? 0) > 0,
    forget: (client) => void books.delete(client),
    [Symbol.asyncDispose]: () => server[Symbol.asyncDispose](),
  };
}

interface Head {
  readonly line: string;
  readonly fields: readonly string[];
  readonly end: number;
}

/** One connection: messages one after the other. */
class Reader {
  readonly #socket: Socket;
  readonly #bookOf: (client: string) => Book;
  #text = "";
  #answeredEarly = false;

  constructor(socket: Socket, bookOf: (client: string) => Book) {
    this.#socket = socket;
    this.#bookOf = bookOf;
    socket.setNoDelay(true);
    socket.on("data", (bytes: Buffer) => this.#take(bytes));
  }

  #take(bytes: Buffer): void {
    this.#text += bytes.toString("latin1");
    for (;;) {
      const head = headOf(this.#text);
      if (head === null) return;
      const book = this.#bookOf(valueOf(head.fields, "x-forwarded-for"));
      const [method = "", target = ""] = head.line.split(" ");
      const plan = answerFor(method, target);
      if (plan?.early === true && !this.#answeredEarly) {
        this.#answeredEarly = true;
        void this.#answer(plan, book);
      }
      const read = messageOf(this.#text, head);
      if (read === null) return;
      this.#text = this.#text.slice(read.end);
      book.messages.push(read.message);
      if (plan !== null && !this.#answeredEarly) void this.#answer(plan, book);
      this.#answeredEarly = false;
    }
  }

  async #answer({ pieces, lastly }: RawAnswerPlan, book: Book): Promise<void> {
    book.busy++;
    for (const [index, piece] of pieces.entries()) {
      if (index > 0) await sleep(PIECE_GAP_MS);
      if (this.#socket.writable) this.#socket.write(piece, "latin1");
    }
    if (lastly !== "keep" && pieces.length > 0) await sleep(PIECE_GAP_MS);
    if (lastly === "end") this.#socket.end();
    if (lastly === "reset") this.#socket.resetAndDestroy();
    book.busy--;
  }
}

function headOf(text: string): Head | null {
  const end = text.indexOf("\r\n\r\n");
  if (end === -1) return null;
  const [line = "", ...fields] = text.slice(0, end).split("\r\n");
  return { line, fields, end: end + 4 };
}

function valueOf(fields: readonly string[], name: string): string {
  const found = fields.find((field) => field.toLowerCase().startsWith(`${name}:`));
  return found === undefined ? "" : found.slice(name.length + 1).trim();
}

/** null: not whole yet. */
function messageOf(
  text: string,
  { line, fields, end }: Head,
): { readonly message: Message; readonly end: number } | null {
  const coding = valueOf(fields, "transfer-encoding");
  const length = valueOf(fields, "content-length");
  if (coding !== "") {
    const read = chunksOf(text, end);
    if (read === null) return null;
    const odd = coding !== "chunked" || length !== "" || read.odd;
    return { message: { line, fields, body: read.body, trailers: read.trailers, odd }, end: read.end };
  }
  const bytes = length === "" ? 0 : Number(length);
  if (text.length < end + bytes) return null;
  const message = { line, fields, body: text.slice(end, end + bytes), trailers: [], odd: !/^\d*$/.test(length) };
  return { message, end: end + bytes };
}

interface Chunks {
  readonly body: string;
  readonly trailers: readonly string[];
  readonly odd: boolean;
  readonly end: number;
}

/** null: not whole yet. What is no chunk is odd, and the body's end. */
function chunksOf(text: string, start: number): Chunks | null {
  let body = "";
  for (let at = start; ; ) {
    const lineEnd = text.indexOf("\r\n", at);
    if (lineEnd === -1) return null;
    const size = text.slice(at, lineEnd);
    if (!/^[0-9a-fA-F]+$/.test(size)) return { body, trailers: [], odd: true, end: text.length };
    const bytes = Number.parseInt(size, 16);
    if (bytes === 0) return lastChunkOf(text, lineEnd, body);
    if (text.length < lineEnd + bytes + 4) return null;
    body += text.slice(lineEnd + 2, lineEnd + 2 + bytes);
    at = lineEnd + bytes + 4;
    if (text.slice(at - 2, at) !== "\r\n") return { body, trailers: [], odd: true, end: text.length };
  }
}

function lastChunkOf(text: string, lineEnd: number, body: string): Chunks | null {
  const end = text.indexOf("\r\n\r\n", lineEnd);
  if (end === -1) return null;
  const trailers = text
    .slice(lineEnd + 2, end)
    .split("\r\n")
    .filter((line) => line !== "");
  return { body, trailers, odd: false, end: end + 4 };
}
