/** Which reader a body gets: by the meter's source, and by what the message says its body is. Worker thread, pure. */
import type { JsonPath, MeterSource } from "#core/meter-source.ts";
import type { BodyReader } from "./body-reader.ts";
import { JsonPathReader } from "./json-path-reader.ts";
import { NdjsonLastReader } from "./ndjson-last-reader.ts";
import { SseLastReader } from "./sse-last-reader.ts";

/** What the message's head says; undefined where it says nothing. */
export interface BodyHead {
  readonly contentType: string | undefined;
  readonly contentEncoding: string | undefined;
}

/** Whole numbers of bytes, from 1. */
export interface ReadCaps {
  /** Largest body that is read as one JSON document. */
  readonly bodyBytes: number;
  /** Largest event or line of a stream. */
  readonly eventBytes: number;
}

/** A body that nobody may look into. */
const UNREADABLE: BodyReader = { push: () => {}, end: () => ({ fault: "unreadable" }) };

/**
 * The reader of the source's body, for one message; null when the source is no body. Compressed bodies are not unpacked (the gateway
 * would have to hold what a small body can grow to): they are `unreadable`, so ask upstreams for `identity`.
 * `sse.last` takes a JSON response as one document: apps that stream on request answer so when they are not asked to.
 */
export function readerFor(source: MeterSource, head: BodyHead, caps: ReadCaps): BodyReader | null {
  if (!("path" in source)) return null;
  if (!isPlain(head.contentEncoding)) return UNREADABLE;
  if (source.kind === "ndjson.last") return new NdjsonLastReader(source.path, caps.eventBytes);
  if (source.kind === "sse.last" && !isJson(head.contentType)) return new SseLastReader(source.path, caps.eventBytes);
  return new JsonPathReader(source.path, caps.bodyBytes);
}

/** The reader of an id in a body that is one JSON document. */
export function textReaderFor(path: JsonPath, head: BodyHead, bytesMax: number): BodyReader {
  return isPlain(head.contentEncoding) ? new JsonPathReader(path, bytesMax, "id") : UNREADABLE;
}

/** Whether the body's bytes are its text: no `content-encoding`, or nothing but `identity`. */
function isPlain(contentEncoding: string | undefined): boolean {
  const codings = (contentEncoding ?? "").split(",").map((coding) => coding.trim().toLowerCase());
  return codings.every((coding) => coding === "" || coding === "identity");
}

/** `application/json`, `application/problem+json` and the like, whatever their parameters. */
function isJson(contentType: string | undefined): boolean {
  const type = (contentType ?? "").split(";", 1)[0] ?? "";
  return /^application\/(?:[^/]+\+)?json$/i.test(type.trim());
}
