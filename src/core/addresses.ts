/** IP addresses as limits and headers use them. Pure. */
import { BlockList, isIP, isIPv6 } from "node:net";

/** The address without IPv4-in-IPv6 wrapping and zone, or null when the text is no IP address. */
export function canonicalAddress(text: string): string | null {
  const bare = stripZone(text);
  const mapped = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1];
  const address = mapped ?? bare;
  if (isIP(address) === 0) return null;
  // The URL parser is the shortest way to the one canonical spelling of an IPv6 address (RFC 5952).
  return isIPv6(address) ? new URL(`http://[${address}]`).hostname.slice(1, -1) : address;
}

function stripZone(text: string): string {
  const at = text.indexOf("%");
  return at === -1 ? text : text.slice(0, at);
}

/** What a limit by `ip` belongs to: the IPv4 address, or the /64 of a canonical IPv6 address (one customer's line). */
export function limitAddress(address: string): string {
  if (!isIPv6(address)) return address;
  const [head = "", tail] = address.split("::");
  const front = head === "" ? [] : head.split(":");
  const back = tail === undefined || tail === "" ? [] : tail.split(":");
  const zeros = tail === undefined ? [] : Array<string>(8 - front.length - back.length).fill("0");
  return `${[...front, ...zeros, ...back].slice(0, 4).join(":")}::/64`;
}

/** A set of addresses and CIDR blocks, all valid already. */
export function addressSet(entries: readonly string[]): BlockList {
  const list = new BlockList();
  for (const entry of entries) {
    const [address = "", bits] = entry.split("/");
    const family = isIPv6(address) ? "ipv6" : "ipv4";
    if (bits === undefined) list.addAddress(address, family);
    else list.addSubnet(address, Number(bits), family);
  }
  return list;
}

/** Whether a canonical address is in the set. */
export function isInSet(set: BlockList, address: string): boolean {
  return set.check(address, isIPv6(address) ? "ipv6" : "ipv4");
}
