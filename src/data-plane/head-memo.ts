/**
 * What later phases work out of a header section and keep with it: clients repeat their sections, and one that is equal is read and
 * thought about once (as HPACK does for HTTP/2). Worker thread; each slot belongs to the phase named, which checks before it uses
 * what it kept that all it came from is still the same.
 */
import type { Refusal } from "#core/errors.ts";
import type { Credential, KeyReading } from "#data-plane/identity/credentials.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import type { Runtime } from "./runtime.ts";

export interface HeadMemo {
  /** That of the section before on the same connection: what hangs on one field that is the same again is taken over from it. */
  before: HeadMemo | null;
  /** identify: the credential, as the settings have it read. */
  credential: KnownCredential | null;
  /** identify: whose it is. */
  caller: KnownCaller | null;
  /** forward: the fields the upstream gets. */
  forwarded: KnownFields | null;
}

interface KnownCredential {
  readonly reading: KeyReading;
  /** The field it was read from; null: none. */
  readonly field: CredentialField | null;
  readonly credential: Credential | Refusal | null;
}

export interface CredentialField {
  /** In lower case. */
  readonly name: string;
  readonly value: string;
}

interface KnownCaller {
  readonly runtime: Runtime;
  /** Of everything the worker remembers of callers. */
  readonly generation: number;
  /** Value of the account header it was looked up for; null: there was none. */
  readonly asked: string | null;
  /** Until when the key or token is good; milliseconds since 1970. */
  readonly untilMs: number;
  readonly principal: Principal;
  /** authorize: the route that lets it in whatever else the request says; null: none is known. */
  allowed: CompiledRoute | null;
}

interface KnownFields {
  readonly route: CompiledRoute;
  readonly principal: Principal | null;
  readonly targetHost: string;
  /** Lines with their ends; what is each request's own is not among them. */
  readonly text: string;
  readonly traced: boolean;
}

export function emptyMemo(): HeadMemo {
  return { before: null, credential: null, caller: null, forwarded: null };
}

/** `memo` may take over from the section before it; not from those before that one, which would never end. */
export function follow(memo: HeadMemo, before: HeadMemo): void {
  before.before = null;
  memo.before = before;
}
