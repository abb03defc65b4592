/**
 * What a lane hands to the phases and what the phases make of it. The phases see only this and cannot tell lanes apart.
 * Worker thread. Values are set once, by the phase named; nobody changes them afterwards.
 */
import type { Refusal } from "#core/errors.ts";
import type { RequestHead } from "#data-plane/wire/head.ts";
import type { LocalResponse } from "#data-plane/wire/local-response.ts";
import type { Peer } from "./peer.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import type { AnswerWatch } from "#data-plane/ownership/answer-watch.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { Reservation } from "#data-plane/metering/reservation.ts";
import type { LimitState } from "#data-plane/policy/limit-headers.ts";
import type { HeldSlots } from "#data-plane/policy/slots.ts";
import type { Runtime } from "./runtime.ts";

/** A request as a lane read it off the wire. */
export interface Exchange {
  readonly method: string;
  /** The request target as received. */
  readonly target: string;
  readonly httpVersion: string;
  /** The header section, or what is wrong with it. */
  readonly head: RequestHead | Refusal;
  readonly peer: Peer;
}

/** A request that passed every check and may be forwarded. */
export interface Passage {
  readonly exchange: Exchange;
  readonly requestId: string;
  /** The snapshot this request is served by, to its end, whatever is reloaded meanwhile. */
  readonly runtime: Runtime;
  /** That of the exchange; with an absolute target its host is the target's. */
  readonly head: RequestHead;
  readonly route: CompiledRoute;
  /** Normalised path and query: what was matched is what is forwarded. The query may have got a parameter that says whose things. */
  readonly target: string;
  /** null on routes that let anonymous callers in. */
  readonly principal: Principal | null;
  /** Address of the client: the socket's, or what trusted proxies say. */
  readonly clientAddress: string;
  /** null: nothing to charge. */
  readonly reservation: Reservation | null;
  /** Concurrency slots; null: none. */
  readonly held: HeldSlots | null;
  /** Watches the answer for what it makes or ends; null: nothing. */
  readonly watch: AnswerWatch | null;
  /** Tells of the limits in the answer's headers. */
  readonly limitState: LimitState;
}

/** What the gate says of a request. */
export type Verdict =
  | { readonly kind: "forward"; readonly passage: Passage }
  | {
      readonly kind: "refused";
      readonly refusal: Refusal;
      readonly requestId: string;
      readonly runtime: Runtime;
      /** null: refused before a route was found. */
      readonly route: CompiledRoute | null;
    }
  /** Nobody behind the gateway is asked: it answers for itself. */
  | { readonly kind: "answered"; readonly response: LocalResponse };

/** null: none was found. */
export function routeOf(verdict: Verdict): CompiledRoute | null {
  if (verdict.kind === "forward") return verdict.passage.route;
  return verdict.kind === "refused" ? verdict.route : null;
}

/** Tells a refusal from what a phase gives when it lets the request on. */
export function isRefusal<T extends object>(value: T | Refusal): value is Refusal {
  return "code" in value && "rule" in value;
}
