/** A request as undici takes it. Worker thread. */
import type { Readable } from "node:stream";
import type { Dispatcher } from "undici";
import type { Passage } from "#data-plane/exchange.ts";
import type { Target } from "#data-plane/upstream/pool.ts";
import { upstreamRequestHeaders } from "#data-plane/upstream/request-headers.ts";

export function requestOptions(passage: Passage, target: Target, body: Readable | null): Dispatcher.DispatchOptions {
  return {
    method: passage.exchange.method,
    path: target.basePath + passage.target,
    headers: upstreamRequestHeaders(passage, target.url.host),
    body,
  };
}
