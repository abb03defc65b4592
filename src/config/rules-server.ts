/** Rules for `server`: listeners, the admin token, proxies, timeouts. Main thread. */
import { isIP } from "node:net";
import { canonicalBlock } from "#core/addresses.ts";
import { formatDuration, parseDuration, parseSize } from "#core/units.ts";
import { collides, parseAddress } from "./listen-address.ts";
import type { Path } from "./locate.ts";
import type { Report } from "./report.ts";
import { checkTls } from "./rules-tls.ts";
import type { Address } from "./settings.ts";
import { STANDARD } from "./standard.ts";
import type { ServerPart, View } from "./view.ts";

/** Longest timeout; timers of the platform overflow at 24 days. */
const TIMEOUT_MS_MAX = 86_400_000;
const PORT_MAX = 65_535;
const WEAK_WORDS = /change-?me|admin|password|secret|tollgate|example|default/g;
/** Fewer different characters than this are no random text. */
const TOKEN_CHARACTERS_MIN = 5;

/** Checks the whole section. */
export function checkServer({ server, partial }: View, report: Report): void {
  checkListeners(server, partial.listeners, report);
  if (server.adminToken !== undefined) checkAdminToken(server.adminToken, report);
  if (server.tls !== undefined) checkTls(server.tls, report);
  for (const [index, proxy] of (server.trustedProxies ?? []).entries()) checkProxy(proxy, index, report);
  checkTimeout(server.drainTimeout, ["server", "drainTimeout"], report);
  const limits = server.limits ?? {};
  checkTimeout(limits.headerTimeout, ["server", "limits", "headerTimeout"], report);
  checkTimeout(limits.idleTimeout, ["server", "limits", "idleTimeout"], report);
  checkTimeout(limits.requestTimeout, ["server", "limits", "requestTimeout"], report);
  checkSize(limits.headerBytes, ["server", "limits", "headerBytes"], report);
  checkSize(limits.bodyBytes, ["server", "limits", "bodyBytes"], report);
}

/** The addresses that the gateway itself will take; none while one of them is not written right. */
export function ownAddresses({ server, partial }: View): readonly Address[] {
  if (partial.listeners) return [];
  const admin = server.admin === undefined ? STANDARD.admin : server.admin;
  const texts = [server.listen ?? STANDARD.listen, ...(admin === null ? [] : [admin])];
  return texts.map(parseAddress);
}

/** A duration that a timer can wait for. */
export function checkTimeout(text: string | undefined, path: Path, report: Report): void {
  checkDuration(text, TIMEOUT_MS_MAX, path, report);
}

/** A duration of at most `msMax`. */
export function checkDuration(text: string | undefined, msMax: number, path: Path, report: Report): void {
  if (text === undefined) return;
  const ms = parseDuration(text);
  if (ms === null || ms > msMax)
    report.value(path, `Expected at most ${formatDuration(msMax)}, got ${text.slice(0, 60)}`);
}

function checkSize(size: string | number | null | undefined, path: Path, report: Report): void {
  if (size !== undefined && size !== null && parseSize(size) === null) report.value(path, "Expected a smaller size");
}

function checkListeners(server: ServerPart, isPartial: boolean, report: Report): void {
  const listen = parseAddress(server.listen ?? STANDARD.listen);
  checkPort(server.listen, ["server", "listen"], report);
  const text = server.admin === undefined ? STANDARD.admin : server.admin;
  if (text === null) return;
  checkPort(text, ["server", "admin"], report);
  if (isPartial || !collides(listen, parseAddress(text))) return;
  const path = server.admin === undefined ? ["server", "listen"] : ["server", "admin"];
  report.value(path, "Expected different addresses for listen and admin", "choose another port");
}

function checkPort(text: string | undefined, path: Path, report: Report): void {
  if (text === undefined) return;
  const { host, port } = parseAddress(text);
  if (port > PORT_MAX) report.value(path, `Expected a port of at most ${PORT_MAX}, got ${port}`);
  const looksNumeric = /^[0-9.]+$/.test(host) || host.includes(":");
  if (looksNumeric && isIP(host) === 0) report.value(path, `Expected an IP address or a host name, got "${host}"`);
}

function checkAdminToken(token: string, report: Report): void {
  const path = ["server", "adminToken"];
  const hint = "make one with: openssl rand -hex 32";
  if (!/^[\x21-\x7e]+$/.test(token))
    report.value(path, "Expected printable ASCII without blanks in the admin token", hint);
  const rest = token.toLowerCase().replace(WEAK_WORDS, "");
  const isWeak = rest.length < token.length / 2 || new Set(rest).size < TOKEN_CHARACTERS_MIN;
  if (isWeak) report.value(path, "Expected a random admin token, got one that is easy to guess", hint);
}

function checkProxy(text: string, index: number, report: Report): void {
  if (canonicalBlock(text) !== null) return;
  const hint = "such as 10.0.0.0/8 or ::1";
  report.value(
    ["server", "trustedProxies", index],
    `Expected an IP address or a CIDR block, got ${JSON.stringify(text.slice(0, 60))}`,
    hint,
  );
}
