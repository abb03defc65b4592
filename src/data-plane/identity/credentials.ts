/**
 * Phase 3, first part: which credential a request carries. Worker thread, pure.
 * One place only: a request with two credentials is refused, never "first wins".
 */
import { hash } from "node:crypto";
import { type Refusal, refuse } from "#core/errors.ts";
import { type ForeignFormat, isForeignKey } from "#core/foreign-format.ts";
import { KeyFormats } from "#core/key-format.ts";
import type { KeySettings } from "#config/identity-settings.ts";
import type { CredentialField } from "#data-plane/head-memo.ts";
import type { RequestHead } from "#data-plane/wire/head.ts";

export interface Credential {
  readonly kind: "jwt" | "key";
  readonly text: string;
  /** SHA-256 of the text: what it is remembered by. */
  readonly digest: string;
  /** Why a key's text can be none of this gateway; null of a token. */
  readonly fault: ReturnType<KeyFormats["fault"]>;
  /** A key formed as those of another system. */
  readonly foreign: boolean;
}

/** How keys are read by the settings, made ready once. */
export interface KeyReading {
  /** Names of the fields that may carry one, in lower case. */
  readonly headers: readonly string[];
  readonly formats: KeyFormats;
  readonly foreign: readonly ForeignFormat[];
}

export function keyReading({ headers, format, accept, environments, foreign }: KeySettings): KeyReading {
  return { headers, formats: new KeyFormats([format, ...accept], environments), foreign };
}

const QUERY_CREDENTIAL = /(?:^|&)(?:api_?key|access_token)=/i;

/** The credential, null when there is none, or why it cannot be taken. */
export function readCredential(head: RequestHead, query: string, reading: KeyReading): Credential | Refusal | null {
  if (query !== "" && QUERY_CREDENTIAL.test(query)) {
    return refuse("malformed_request", "credential:query", "Credentials in the query string are refused: use a header");
  }
  const { memo } = head;
  if (memo.credential?.reading !== reading) rememberCredential(head, reading);
  return memo.credential?.credential ?? null;
}

function rememberCredential({ names, raw, memo }: RequestHead, reading: KeyReading): void {
  const field = credentialField(names, raw, reading);
  const before = memo.before?.credential;
  if (field !== null && !("code" in field) && before?.reading === reading && isSame(before.field, field)) {
    memo.credential = before;
    memo.caller = memo.before?.caller ?? null;
    return;
  }
  if (field === null || "code" in field) memo.credential = { reading, field: null, credential: field };
  else memo.credential = { reading, field, credential: credentialOf(field, reading) };
}

function isSame(one: CredentialField | null, other: CredentialField): boolean {
  return one !== null && one.name === other.name && one.value === other.value;
}

/** The one field that holds a credential. */
function credentialField(
  names: readonly string[],
  raw: readonly string[],
  { headers }: KeyReading,
): CredentialField | Refusal | null {
  let found: CredentialField | null = null;
  for (let at = 0; at < names.length; at++) {
    const name = names[at] ?? "";
    if (name !== "authorization" && !headers.includes(name)) continue;
    if (found !== null) return refuse("malformed_request", "credential:two-places", "Credentials in two headers");
    found = { name, value: raw[2 * at + 1] ?? "" };
  }
  return found;
}

function credentialOf({ name, value }: CredentialField, keys: KeyReading): Credential | Refusal {
  return name === "authorization" ? readAuthorization(value, keys) : keyOf(value, keys);
}

function readAuthorization(value: string, keys: KeyReading): Credential | Refusal {
  const match = /^bearer +([^ ].*)$/i.exec(value);
  const text = match?.[1];
  if (text === undefined)
    return refuse("credentials_invalid", "credential:scheme", "Authorization is not `Bearer` and a token or key");
  if (!keys.formats.claim(text) && !isForeignKey(text, keys.foreign))
    return { kind: "jwt", text, digest: digestOf(text), fault: null, foreign: false };
  if (keys.headers.includes("authorization")) return keyOf(text, keys);
  return refuse("credentials_invalid", "credential:header", `Keys are sent in ${keys.headers.join(" or ")}`);
}

function keyOf(text: string, keys: KeyReading): Credential {
  const fault = keys.formats.fault(text);
  const foreign = fault === "format" && isForeignKey(text, keys.foreign);
  return { kind: "key", text, digest: digestOf(text), fault: foreign ? null : fault, foreign };
}

/** Why a credential that claims to be a key is refused without a look; null: it has to be looked up. */
export function textRefusal({ fault }: Credential): Refusal | null {
  if (fault === null) return null;
  return fault === "environment"
    ? refuse("credentials_invalid", "key:environment", "This gateway takes no API keys of that environment")
    : refuse("credentials_invalid", "key:format", "Text is no API key of this gateway");
}

/** Five times cheaper than the keyed hash of the store, and no secret stays in memory. */
export function digestOf(text: string): string {
  return hash("sha256", text, "base64url");
}
