/**
 * The head of a request as the upstream gets it, as latin1 text. Worker thread. Of a head that a client repeats on one route the fields
 * are the same text; only what is each request's own is written anew.
 */
import type { Passage } from "#data-plane/exchange.ts";
import { fixedRequestHeaders } from "#data-plane/upstream/request-headers.ts";
import type { Target } from "#data-plane/upstream/pool.ts";
import { fieldLines, flat } from "#data-plane/wire/http1/writer.ts";

export function requestText(passage: Passage, target: Target): string {
  const { exchange, runtime, requestId } = passage;
  const { text, traced } = fieldsOf(passage, target.url.host);
  const trace = traced ? "" : `traceparent: ${runtime.traces.next()}\r\n`;
  return `${exchange.method} ${target.basePath}${passage.target} HTTP/1.1\r\n${text}x-request-id: ${requestId}\r\n${trace}\r\n`;
}

function fieldsOf(passage: Passage, targetHost: string): { readonly text: string; readonly traced: boolean } {
  const { head, route, principal } = passage;
  const { memo } = head;
  const known = memo.forwarded;
  if (known?.route === route && known.principal === principal && known.targetHost === targetHost) return known;
  const { headers, traced } = fixedRequestHeaders(passage, targetHost);
  const framing = head.chunked ? "transfer-encoding: chunked\r\n" : "";
  const text = flat(`connection: keep-alive\r\n${fieldLines(headers)}${framing}`);
  memo.forwarded = { route, principal, targetHost, text, traced };
  return memo.forwarded;
}
