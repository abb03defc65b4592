/**
 * Phase 3, first part: which credential a request carries. Worker thread, pure.
 * One place only: a request with two credentials is refused, never "first wins".
 */
import { hash } from "node:crypto";
import { type Refusal, refuse } from "#core/errors.ts";
import { isWellFormedKey, looksLikeKey } from "#core/key-format.ts";
import type { IdentitySettings } from "#config/settings.ts";
import type { RequestHead } from "#data-plane/wire/head.ts";

export interface Credential {
  readonly kind: "jwt" | "key";
  readonly text: string;
  /** SHA-256 of the text: what it is remembered by. */
  readonly digest: string;
  /** A key's shape and checksum; true of a token. */
  readonly wellFormed: boolean;
}

const QUERY_CREDENTIAL = /(?:^|&)(?:api_?key|access_token)=/i;

/** The credential, null when there is none, or why it cannot be taken. */
export function readCredential(
  head: RequestHead,
  query: string,
  settings: IdentitySettings["keys"],
): Credential | Refusal | null {
  if (query !== "" && QUERY_CREDENTIAL.test(query)) {
    return refuse("malformed_request", "credential:query", "Credentials in the query string are refused: use a header");
  }
  const { memo } = head;
  if (memo.credential?.settings !== settings) memo.credential = { settings, credential: credentialOf(head, settings) };
  return memo.credential.credential;
}

function credentialOf({ names, raw }: RequestHead, keys: IdentitySettings["keys"]): Credential | Refusal | null {
  let found: Credential | null = null;
  for (const [index, name] of names.entries()) {
    if (name !== "authorization" && !keys.headers.includes(name)) continue;
    if (found !== null) return refuse("malformed_request", "credential:two-places", "Credentials in two headers");
    const value = raw[2 * index + 1] ?? "";
    const credential = name === "authorization" ? readAuthorization(value, keys) : keyOf(value, keys);
    if ("code" in credential) return credential;
    found = credential;
  }
  return found;
}

function readAuthorization(value: string, keys: IdentitySettings["keys"]): Credential | Refusal {
  const match = /^bearer +([^ ].*)$/i.exec(value);
  const text = match?.[1];
  if (text === undefined)
    return refuse("credentials_invalid", "credential:scheme", "Authorization is not `Bearer` and a token or key");
  if (!looksLikeKey(text, keys.brand)) return { kind: "jwt", text, digest: digestOf(text), wellFormed: true };
  if (keys.headers.includes("authorization")) return keyOf(text, keys);
  return refuse("credentials_invalid", "credential:header", `Keys are sent in ${keys.headers.join(" or ")}`);
}

function keyOf(text: string, { brand }: IdentitySettings["keys"]): Credential {
  return { kind: "key", text, digest: digestOf(text), wellFormed: isWellFormedKey(text, brand) };
}

/** Five times cheaper than the keyed hash of the store, and no secret stays in memory. */
export function digestOf(text: string): string {
  return hash("sha256", text, "base64url");
}
