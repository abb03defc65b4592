/** Addresses that are listened on, and which of them a URL would reach. Pure. */
import { BlockList, isIP, isIPv6 } from "node:net";
import { canonicalAddress } from "#core/addresses.ts";
import type { Address } from "./settings.ts";

/** `127.0.0.1:8080`, `[::1]:8080`, `:8080` (all IPv4 addresses) of the schema's pattern; the port may still be too large. */
export function parseAddress(text: string): Address {
  const at = text.lastIndexOf(":");
  const host = text.slice(0, at).replace(/^\[|\]$/g, "");
  return { host: host === "" ? "0.0.0.0" : host, port: Number(text.slice(at + 1)) };
}

/** Whether two listeners would take the same port of the same address. Port 0 never does. */
export function collides(a: Address, b: Address): boolean {
  if (a.port === 0 || a.port !== b.port) return false;
  return isWildcard(a.host) || isWildcard(b.host) || sameHost(a.host, b.host);
}

/** Whether a connection to `target` would arrive at the listener. */
export function reaches(target: Address, listener: Address): boolean {
  if (listener.port === 0 || target.port !== listener.port) return false;
  return sameHost(target.host, listener.host);
}

/** Host and port a URL leads to, brackets removed. */
export function addressOf(url: URL): Address {
  const host = url.hostname.replace(/^\[|\]$/g, "").replace(/\.$/, "");
  const standard = url.protocol === "https:" ? 443 : 80;
  return { host, port: url.port === "" ? standard : Number(url.port) };
}

/** Names and addresses of this machine itself, the wildcards included: connecting to them arrives here. */
export function isLoopback(host: string): boolean {
  const name = host.toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost") || isWildcard(name)) return true;
  return isIP(name) !== 0 && LOOPBACK.check(name, isIPv6(name) ? "ipv6" : "ipv4");
}

/** Link-local addresses and the clouds' metadata services: what an upstream is hardly ever, and an attacker's aim. */
export function isUnsafeTarget(host: string): boolean {
  const name = host.toLowerCase();
  if (METADATA_NAMES.has(name)) return true;
  return isIP(name) !== 0 && UNSAFE.check(name, isIPv6(name) ? "ipv6" : "ipv4");
}

const LOOPBACK = new BlockList();
LOOPBACK.addSubnet("127.0.0.0", 8, "ipv4");
LOOPBACK.addAddress("::1", "ipv6");

const UNSAFE = new BlockList();
UNSAFE.addSubnet("169.254.0.0", 16, "ipv4");
UNSAFE.addAddress("100.100.100.200", "ipv4"); // Alibaba Cloud
UNSAFE.addSubnet("fe80::", 10, "ipv6");
UNSAFE.addAddress("fd00:ec2::254", "ipv6"); // AWS
UNSAFE.addSubnet("64:ff9b::a9fe:0", 112, "ipv6"); // 169.254.0.0/16 through NAT64

const METADATA_NAMES: ReadonlySet<string> = new Set(["metadata.google.internal", "metadata.goog", "instance-data"]);

function isWildcard(host: string): boolean {
  return host === "0.0.0.0" || host === "::";
}

/** The wildcards count as loopback here, so a listener on all addresses is reached through `localhost` too. */
function sameHost(a: string, b: string): boolean {
  if (isLoopback(a) && isLoopback(b)) return true;
  return (canonicalAddress(a) ?? a.toLowerCase()) === (canonicalAddress(b) ?? b.toLowerCase());
}
