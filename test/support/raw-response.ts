/**
 * Cuts the bytes of a connection into HTTP/1.1 responses, one after another as with pipelining. Only what tests need:
 * lengths, chunks and bodies that end with the connection. Throws for bytes that are no response.
 */

export interface RawResponse {
  readonly status: number;
  readonly reason: string;
  /** Status line and header section as the bytes came in, as latin1. */
  readonly head: string;
  /** Names as sent and values, in order, repeated ones too. */
  readonly rawHeaders: readonly (readonly [string, string])[];
  /** Decoded from its transfer coding. */
  readonly body: Buffer;
  /** Lines behind a chunked body, as sent. */
  readonly trailers: readonly string[];
  /** False for the last response when its bytes stop before its end. */
  readonly complete: boolean;
  /** The value of a header, any case; repeated ones joined with ", "; null when absent. */
  header(name: string): string | null;
  text(): string;
  json(): unknown;
}

export interface ParseOptions {
  /** The peer closed after these bytes, which ends a body without a length. */
  readonly closed: boolean;
  /** Methods of the requests in order; missing ones count as GET. */
  readonly methods: readonly string[];
}

interface Body {
  readonly bytes: Buffer;
  readonly trailers?: readonly string[];
  readonly complete: boolean;
  /** Offset of the first byte after it. */
  readonly end: number;
}

export function parseResponses(bytes: Buffer, options: ParseOptions): readonly RawResponse[] {
  const responses: RawResponse[] = [];
  let at = 0;
  let finals = 0;
  while (at < bytes.length) {
    const headEnd = bytes.indexOf("\r\n\r\n", at);
    if (headEnd === -1) break;
    const head = bytes.toString("latin1", at, headEnd + 4);
    const { response, end } = readResponse(bytes, head, headEnd + 4, options.methods[finals] ?? "GET", options.closed);
    responses.push(response);
    if (response.status >= 200) finals += 1;
    at = end;
  }
  return responses;
}

function readResponse(
  bytes: Buffer,
  head: string,
  bodyStart: number,
  method: string,
  closed: boolean,
): { readonly response: RawResponse; readonly end: number } {
  const [statusLine = "", ...lines] = head.trimEnd().split("\r\n");
  const match = /^HTTP\/1\.[01] (\d{3}) ?(.*)$/.exec(statusLine);
  if (match === null) throw new Error(`Not a status line: ${JSON.stringify(statusLine.slice(0, 80))}`);
  const status = Number(match[1]);
  const rawHeaders = lines.map(splitHeader);
  const header = (name: string) => valueOf(rawHeaders, name);
  const body = readBody(bytes, bodyStart, bodyKind(status, method, header), closed);
  const text = () => body.bytes.toString("utf8");
  const json = (): unknown => JSON.parse(text());
  const { complete } = body;
  const reason = match[2] ?? "";
  return {
    response: {
      status,
      reason,
      head,
      rawHeaders,
      body: body.bytes,
      trailers: body.trailers ?? [],
      complete,
      header,
      text,
      json,
    },
    end: body.end,
  };
}

function splitHeader(line: string): readonly [string, string] {
  const colon = line.indexOf(":");
  return [line.slice(0, colon), line.slice(colon + 1).trim()];
}

function valueOf(rawHeaders: RawResponse["rawHeaders"], name: string): string | null {
  const values = rawHeaders.filter(([key]) => key.toLowerCase() === name.toLowerCase()).map(([, value]) => value);
  return values.length === 0 ? null : values.join(", ");
}

type BodyKind = "chunked" | "until-close" | number;

function bodyKind(status: number, method: string, header: (name: string) => string | null): BodyKind {
  if (method === "HEAD" || status < 200 || status === 204 || status === 304) return 0;
  if (header("transfer-encoding") !== null) return "chunked";
  const length = header("content-length");
  return length === null ? "until-close" : Number(length);
}

function readBody(bytes: Buffer, start: number, kind: BodyKind, closed: boolean): Body {
  if (kind === "chunked") return readChunks(bytes, start);
  if (kind === "until-close") return { bytes: bytes.subarray(start), complete: closed, end: bytes.length };
  const end = Math.min(start + kind, bytes.length);
  return { bytes: bytes.subarray(start, end), complete: end === start + kind, end };
}

function readChunks(bytes: Buffer, start: number): Body {
  const parts: Buffer[] = [];
  const cut = (complete: boolean, end: number): Body => ({ bytes: Buffer.concat(parts), complete, end });
  let at = start;
  for (;;) {
    const lineEnd = bytes.indexOf("\r\n", at);
    if (lineEnd === -1) return cut(false, bytes.length);
    const size = Number.parseInt(bytes.toString("latin1", at, lineEnd), 16);
    if (Number.isNaN(size))
      throw new Error(`Not a chunk size: ${JSON.stringify(bytes.toString("latin1", at, lineEnd))}`);
    const dataStart = lineEnd + 2;
    if (size === 0) return trailersEnd(bytes, lineEnd, cut);
    parts.push(bytes.subarray(dataStart, dataStart + size));
    at = dataStart + size + 2;
    if (at > bytes.length) return cut(false, bytes.length);
  }
}

/** The trailer section ends at the first empty line after the last chunk's own line. */
function trailersEnd(bytes: Buffer, lineEnd: number, cut: (complete: boolean, end: number) => Body): Body {
  const end = bytes.indexOf("\r\n\r\n", lineEnd);
  if (end === -1) return cut(false, bytes.length);
  const lines = bytes.toString("latin1", lineEnd, end).split("\r\n");
  return { ...cut(true, end + 4), trailers: lines.filter((line) => line !== "") };
}
