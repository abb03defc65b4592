/** IP addresses as limits and headers use them. Pure. */
import { BlockList, isIP, isIPv6 } from "node:net";

/** The address without IPv4-in-IPv6 wrapping, however that is spelled, and without zone; null when the text is no IP address. */
export function canonicalAddress(text: string): string | null {
  const bare = text.includes(":") ? stripZone(text) : text;
  // The form in which a dual-stack socket names its peer: on every request, so without the URL parser.
  const address = /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(bare)?.[1] ?? bare;
  if (isIP(address) === 0) return null;
  if (!isIPv6(address)) return address;
  // The URL parser is the shortest way to the one canonical spelling of an IPv6 address (RFC 5952).
  const spelled = new URL(`http://[${address}]`).hostname.slice(1, -1);
  return mappedIPv4(spelled) ?? spelled;
}

function stripZone(text: string): string {
  const at = text.indexOf("%");
  return at === -1 ? text : text.slice(0, at);
}

/** The IPv4 address that `::ffff:102:304` carries (RFC 4291 §2.5.5.2); null when it carries none. */
function mappedIPv4(canonical: string): string | null {
  const match = /^::ffff:([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(canonical);
  if (match === null) return null;
  const words = [match[1], match[2]].map((word) => Number.parseInt(word ?? "", 16));
  return words.flatMap((word) => [word >> 8, word & 0xff]).join(".");
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

/** An address or CIDR block in the spelling clients' addresses are compared in; null when the text is neither. */
export function canonicalBlock(text: string): string | null {
  const [address = "", bits, more] = text.split("/");
  const family = isIP(address);
  // A zone is nothing an address of a client is compared with.
  if (family === 0 || more !== undefined || address.includes("%")) return null;
  if (bits === undefined) return canonicalAddress(address);
  const isLength = /^(0|[1-9]\d{0,2})$/.test(bits) && Number(bits) <= (family === 6 ? 128 : 32);
  return isLength ? `${address.toLowerCase()}/${bits}` : null;
}

/** Whether all of `block` is in one of `blocks`, all of them valid. */
export function isWithinBlocks(block: string, blocks: readonly string[]): boolean {
  const [address = ""] = block.split("/");
  return blocks.some((outer) => prefixBits(outer) <= prefixBits(block) && isInSet(addressSet([outer]), address));
}

/** Length of the prefix among IPv6 addresses, of which IPv4 ones are the last 32 bits (RFC 4291 §2.5.5.2). */
function prefixBits(block: string): number {
  const [address = "", bits] = block.split("/");
  if (isIPv6(address)) return Number(bits ?? 128);
  return 96 + Number(bits ?? 32);
}
