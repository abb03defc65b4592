/**
 * Differences between the lanes that may be: each with its reason, and a stream that shows it, so that a lane that comes round leaves no
 * line here that is not true any more. `compare.ts` has those that random streams are let off for; the other ones they do not have.
 * Not shown, for chance decides: undici asks for a connection of its own for HEAD, so an app that answers one before it has read its body
 * may have closed while undici still writes, which is then a 502 on the full lane.
 */
export interface Wanted {
  readonly what: string;
  readonly why: string;
  readonly text: string;
  /** Statuses that the client got, and how many messages the upstream; `+`: the connection was closed. */
  readonly auto: string;
  readonly full: string;
}

const get = (path: string, ...fields: readonly string[]) =>
  [`GET ${path} HTTP/1.1`, "Host: a.test", ...fields, "", ""].join("\r\n");
const UNDICI =
  "undici reads answers for the full lane, and does not give their bytes; what it hides cannot be refused behind it";
const LLHTTP =
  "node's parser reads requests for the full lane, and takes what our reader refuses; all the same one request goes on";

export const WANTED: readonly Wanted[] = [
  { what: "a 100 that nobody asked for is a broken answer to undici", why: UNDICI, text: get("/open/as/continue"), auto: "200 fwd 1", full: "502 fwd 1" },
  { what: "a reason phrase that is not ASCII is left out", why: UNDICI, text: get("/open/as/odd-reason"), auto: "200 Caf\xe9 (yes) fwd 1", full: "200 fwd 1" },
  { what: "half a head is no answer, and a safe request is sent once more", why: UNDICI, text: get("/open/as/half-head"), auto: "502 fwd 1", full: "502 fwd 2" },
  { what: "chunks in an answer of HTTP/1.0 are read", why: UNDICI, text: get("/open/as/old-chunked"), auto: "502 fwd 1", full: "200 fwd 1" },
  { what: "a chunk's length of 17 digits is read", why: UNDICI, text: get("/open/as/long-size"), auto: "200 cut fwd 1 +", full: "200 fwd 1" },
  { what: "an answer of HTTP/2.0 in HTTP/1.1's form is read", why: UNDICI, text: get("/open/as/version-2"), auto: "502 fwd 1", full: "200 fwd 1" },
  { what: "an empty line before an answer is read past", why: UNDICI, text: get("/open/as/blank-first"), auto: "502 fwd 1", full: "200 fwd 1" },
  {
    what: "behind an upgrade that no lane takes, node drops what came in the same read",
    why: "RFC 9110 §7.8 has the next request there, and the fast lane reads it; node gives no way to",
    text: get("/open", "Upgrade: h2c", "Connection: Upgrade") + get("/open"),
    auto: "200 200 fwd 2",
    full: "200 fwd 1",
  },
  { what: "several spaces in a request line are read past", why: LLHTTP, text: "GET  /open HTTP/1.1\r\nHost: a.test\r\n\r\n", auto: "400 fwd 0 +", full: "200 fwd 1" },
  { what: "a line feed between requests is read past", why: LLHTTP, text: `${get("/open")}\n${get("/open")}`, auto: "200 400 fwd 1 +", full: "200 200 fwd 2" },
  {
    what: "a chunk longer than 2^53 octets is waited for",
    why: LLHTTP,
    text: `${get("/open", "Transfer-Encoding: chunked")}ffffffffffffffff\r\n`,
    auto: "400 fwd 0 +",
    full: "fwd 0",
  },
  {
    what: "what node's parser refuses has no rule of its own",
    why: "its errors do not say which field was at fault in our terms; status, code and close are the same",
    text: get("/open", "Content-Length: 3", "Transfer-Encoding: chunked"),
    auto: "400 framing:both fwd 0 +",
    full: "400 http:syntax fwd 0 +",
  },
  {
    what: "of several faults another is named: too many fields, or a target that is none",
    why: "our reader counts fields before the gate looks at the target, node hands over all of a head; both refuse and close",
    text: get("/key/%zz", ...Array.from({ length: 300 }, (_, at) => `X-${at}: 1`)),
    auto: "431 header:count fwd 0 +",
    full: "400 target:escape fwd 0 +",
  },
  {
    what: "broken framing is seen before a limit that was passed in the same read",
    why: "node's parser runs ahead of the body's reader; both refuse and close",
    text: `${get("/open")}POST /open HTTP/1.1\r\nHost: a.test\r\nTransfer-Encoding: chunked\r\n\r\nfa1\r\n${"b".repeat(4001)}XX`,
    auto: "200 413 limit:body fwd 1 +",
    full: "200 400 http:syntax fwd 1 +",
  },
]; // biome-ignore format: a table
