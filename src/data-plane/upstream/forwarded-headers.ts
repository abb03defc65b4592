/**
 * `X-Forwarded-*`: who the client is, as far as the gateway can vouch for it. Worker thread, pure.
 * From a trusted proxy the chain is continued; from anyone else it starts anew with the socket's address.
 */
import type { BlockList } from "node:net";
import { canonicalAddress, isInSet } from "#core/addresses.ts";
import type { Exchange, Passage } from "#data-plane/exchange.ts";

export function addForwardedHeaders(headers: string[], passage: Passage): void {
  const { exchange, head, runtime } = passage;
  const peer = canonicalAddress(exchange.peerAddress) ?? exchange.peerAddress;
  const trusted = isInSet(runtime.trustedProxies, peer);
  const chain = trusted ? valueOf(exchange, head.names, "x-forwarded-for") : null;
  const proto = trusted ? valueOf(exchange, head.names, "x-forwarded-proto") : null;
  const host = trusted ? valueOf(exchange, head.names, "x-forwarded-host") : null;
  headers.push("x-forwarded-for", chain === null || chain === "" ? peer : `${chain}, ${peer}`);
  headers.push("x-forwarded-proto", proto ?? (exchange.encrypted ? "https" : "http"));
  if (head.authority !== "" || host !== null) headers.push("x-forwarded-host", host ?? head.authority);
}

/** The client's address: the right-most address of the chain that no trusted proxy has; the socket's when the chain is malformed. */
export function clientAddressOf(exchange: Exchange, names: readonly string[], trustedProxies: BlockList): string {
  const peer = canonicalAddress(exchange.peerAddress) ?? exchange.peerAddress;
  if (!isInSet(trustedProxies, peer)) return peer;
  const chain = valueOf(exchange, names, "x-forwarded-for");
  if (chain === null) return peer;
  let client = peer;
  for (const text of chain.split(",").reverse()) {
    const address = canonicalAddress(withoutPort(text.trim()));
    if (address === null) return peer;
    client = address;
    if (!isInSet(trustedProxies, address)) return client;
  }
  return client;
}

/** `1.2.3.4:80` and `[::1]:80` carry ports. */
function withoutPort(text: string): string {
  const bracketed = /^\[([^\]]+)\](?::\d+)?$/.exec(text)?.[1];
  return bracketed ?? text.replace(/^(\d+\.\d+\.\d+\.\d+):\d+$/, "$1");
}

function valueOf(exchange: Exchange, names: readonly string[], wanted: string): string | null {
  let value: string | null = null;
  for (const [index, name] of names.entries()) {
    if (name !== wanted) continue;
    const line = exchange.rawHeaders[2 * index + 1] ?? "";
    value = value === null ? line : `${value}, ${line}`;
  }
  return value;
}
