/**
 * Phase 6, forward: the headers an upstream gets. Worker thread, pure.
 * The client's fields in their order and spelling, minus what is hop-by-hop, what only the gateway may say, and the credential;
 * then what the gateway says. Results are names and values in turn.
 */
import type { Passage } from "#data-plane/exchange.ts";
import { isOwnOnly } from "#data-plane/policy/own-things.ts";
import { isStripped } from "#data-plane/wire/header-names.ts";
import { INTERNAL_HEADERS, SHOWS_PERMISSIONS } from "#config/builtin-routes.ts";
import { addForwardedHeaders } from "./forwarded-headers.ts";

export function upstreamRequestHeaders(passage: Passage, targetHost: string): string[] {
  const { headers, traced } = fixedRequestHeaders(passage, targetHost);
  headers.push("x-request-id", passage.requestId);
  if (!traced) headers.push("traceparent", passage.runtime.traces.next());
  return headers;
}

/** Those that are the same for all requests with this head, route and principal; `traced`: a `traceparent` is among them. */
export function fixedRequestHeaders(
  passage: Passage,
  targetHost: string,
): { readonly headers: string[]; readonly traced: boolean } {
  const { head, route } = passage;
  const headers: string[] = [
    "host",
    route.upstream.settings.host === "target" ? targetHost : head.authority || targetHost,
  ];
  const stripsCredential = passage.principal !== null && route.upstream.settings.credentials === "strip";
  const { keys, accountHeader } = passage.runtime.settings.identity;
  const own = ownHeaders(passage);
  let traced = false;
  for (const [index, name] of head.names.entries()) {
    if (name === "host" || isStripped(name) || head.connectionOptions.includes(name)) continue;
    if (stripsCredential && (name === "authorization" || keys.headers.includes(name))) continue;
    // The gateway has acted on it, and says the outcome itself.
    if (name === accountHeader) continue;
    if (own !== null && isNamed(own, name)) continue;
    // A compressed answer cannot be looked into.
    if (name === "accept-encoding" && route.readsAnswer) continue;
    if (name === "traceparent") traced = true;
    headers.push(head.raw[2 * index] ?? name, head.raw[2 * index + 1] ?? "");
  }
  if (route.readsAnswer) headers.push("accept-encoding", "identity");
  if (own !== null) headers.push(...own);
  addForwardedHeaders(headers, passage);
  addIdentityHeaders(headers, passage);
  return { headers, traced };
}

/** What the upstream gets in the account's name; null: nothing. */
function ownHeaders({ principal, route }: Passage): readonly string[] | null {
  const all = principal?.account.upstreamHeaders;
  return all === undefined || route.builtin ? null : (all[route.upstream.name] ?? null);
}

/** Whether one of these is called so, or an app could take it for that: many read other signs as hyphens. */
function isNamed(headers: readonly string[], name: string): boolean {
  const folded = name.replaceAll(/[^a-z0-9]/g, "-");
  return headers.some((header, index) => index % 2 === 0 && header === folded);
}

/** The gateway's own endpoints get our account id, apps the one the operator's systems know. */
function addIdentityHeaders(headers: string[], passage: Passage): void {
  const { principal, route } = passage;
  if (principal === null) return;
  headers.push(INTERNAL_HEADERS.account, headerText(route.builtin ? principal.account.id : principal.publicAccount));
  if (principal.user !== null) headers.push(INTERNAL_HEADERS.user, headerText(principal.user));
  // Who acts as the user, where somebody else does.
  const actor = principal.session?.actor ?? null;
  if (actor !== null) headers.push(INTERNAL_HEADERS.actor, headerText(actor));
  if (principal.roles.length > 0) headers.push(INTERNAL_HEADERS.roles, headerList(principal.roles, ","));
  if (route.builtin && route.name === SHOWS_PERMISSIONS)
    headers.push(INTERNAL_HEADERS.permissions, headerList([...new Set(principal.permissions)], " "));
  headers.push(INTERNAL_HEADERS.plan, principal.plan.id);
  if (principal.keyId !== null) headers.push(INTERNAL_HEADERS.keyId, principal.keyId);
  if (route.builtin && principal.retiresAtMs !== null)
    headers.push(INTERNAL_HEADERS.secretRetires, String(principal.retiresAtMs));
  // Empty is not the same as none: a principal narrowed to no scope at all says so.
  if (principal.scopes !== null) headers.push(INTERNAL_HEADERS.scope, headerList(principal.scopes, " "));
  if (route.require.own?.in === "data-scope")
    headers.push(INTERNAL_HEADERS.dataScope, isOwnOnly(principal, route) ? "own" : "all");
}

/** Ids may hold any character; a field value may not (RFC 9110 §5.5). What is not printable ASCII goes percent-encoded. */
function headerText(text: string): string {
  return /^[\x20-\x24\x26-\x7e]*$/.test(text) ? text : encodeURIComponent(text.toWellFormed());
}

/** Each item by itself, its separators encoded too: the one role `User,Admin` must not reach an app as two. */
function headerList(items: readonly string[], separator: string): string {
  return items
    .map((item) => (item.includes(separator) ? encodeURIComponent(item.toWellFormed()) : headerText(item)))
    .join(separator);
}
