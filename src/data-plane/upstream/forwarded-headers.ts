/**
 * `X-Forwarded-*`: who the client is, as far as the gateway can vouch for it. Worker thread, pure.
 * From a trusted proxy the chain is continued; from anyone else it starts anew with the socket's address.
 */
import type { BlockList } from "node:net";
import { canonicalAddress, isInSet } from "#core/addresses.ts";
import type { Passage } from "#data-plane/exchange.ts";
import type { Peer } from "#data-plane/peer.ts";
import type { RequestHead } from "#data-plane/wire/head.ts";

export function addForwardedHeaders(headers: string[], passage: Passage): void {
  const { exchange, head, runtime } = passage;
  const { peer } = exchange;
  const trusted = peer.isIn(runtime.trustedProxies);
  const chain = trusted ? valueOf(head, "x-forwarded-for") : null;
  const proto = trusted ? valueOf(head, "x-forwarded-proto") : null;
  const host = trusted ? valueOf(head, "x-forwarded-host") : null;
  headers.push("x-forwarded-for", chain === null || chain === "" ? peer.address : `${chain}, ${peer.address}`);
  headers.push("x-forwarded-proto", proto ?? (peer.encrypted ? "https" : "http"));
  if (head.authority !== "" || host !== null) headers.push("x-forwarded-host", host ?? head.authority);
}

/** The client's address: the right-most address of the chain that no trusted proxy has; the socket's when the chain is malformed. */
export function clientAddressOf(peer: Peer, head: RequestHead, trustedProxies: BlockList): string {
  if (!peer.isIn(trustedProxies)) return peer.address;
  const chain = valueOf(head, "x-forwarded-for");
  if (chain === null) return peer.address;
  let client = peer.address;
  for (const text of chain.split(",").reverse()) {
    const address = canonicalAddress(withoutPort(text.trim()));
    if (address === null) return peer.address;
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

function valueOf({ names, raw }: RequestHead, wanted: string): string | null {
  let value: string | null = null;
  for (const [index, name] of names.entries()) {
    if (name !== wanted) continue;
    const line = raw[2 * index + 1] ?? "";
    value = value === null ? line : `${value}, ${line}`;
  }
  return value;
}
