/**
 * The gate: the phases of a request, in their order. Worker thread.
 *
 *   parse ▸ route ▸ identify ▸ authorize ▸ admit ▸ (forward ▸ settle, by the lane)
 *     │       │        │           │         │
 *    400   404 405    401         403    402 403 429 503
 *
 * A refusal is a value and ends the request at once; nothing has been taken from any limit then.
 * Not here: reading and writing sockets (`wire/`), and what comes after a verdict.
 */
import { type Refusal, refuse } from "#core/errors.ts";
import type { Exchange, Passage, Verdict } from "./exchange.ts";
import { readCredential } from "#data-plane/identity/credentials.ts";
import type { Identifier } from "#data-plane/identity/identify.ts";
import { narrowingRefusal } from "#data-plane/identity/narrowing.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { Sightings } from "#data-plane/identity/sightings.ts";
import type { Ownership } from "#data-plane/ownership/ownership.ts";
import type { Settler } from "#data-plane/metering/settler.ts";
import type { Admitter } from "#data-plane/policy/admit.ts";
import { authorize, dependsOnRequest } from "#data-plane/policy/authorize.ts";
import { WARNING_HEADER } from "#data-plane/policy/limit-headers.ts";
import type { Asked } from "#data-plane/policy/named-value.ts";
import { forwardedTarget } from "#data-plane/policy/own-things.ts";
import type { CompiledRoute } from "#data-plane/route/compiled-route.ts";
import { TargetReader } from "#data-plane/route/path.ts";
import type { Runtime } from "./runtime.ts";
import { clientAddressOf } from "#data-plane/upstream/forwarded-headers.ts";
import { ALL_METHODS, methodFault, type RequestHead, withAuthority } from "#data-plane/wire/head.ts";

/** A request whose route is known. */
interface Routed extends Asked {
  readonly exchange: Exchange;
  readonly requestId: string;
  readonly runtime: Runtime;
}

export interface GateParts {
  readonly identifier: Identifier;
  readonly sightings: Sightings;
  readonly admitter: Admitter;
  readonly settler: Settler;
  readonly ownership: Ownership;
}

export class Gate {
  readonly #parts: GateParts;
  readonly #targets = new TargetReader();
  #runtime: Runtime;

  constructor(parts: GateParts, runtime: Runtime) {
    this.#parts = parts;
    this.#runtime = runtime;
  }

  get runtime(): Runtime {
    return this.#runtime;
  }

  /** From the next request on. */
  use(runtime: Runtime): void {
    this.#runtime = runtime;
  }

  /**
   * Whether who was let in would be now, but for limits and rights: their key, user and account are good. Who they are now, or `nobody`;
   * null: it cannot be said just now.
   */
  async letsIn(passage: Passage): Promise<Principal | "nobody" | null> {
    try {
      const principal = await this.#parts.identifier.again(passage);
      if (principal === null) return "nobody";
      if ("code" in principal) return principal.code === "overloaded" ? null : "nobody";
      return principal.account.state === "active" ? principal : "nobody";
    } catch {
      return null;
    }
  }

  /** Whether what is known of callers is still what this one was let in by; false is no sign against them. */
  isUnchanged(passage: Passage): boolean {
    return this.#parts.identifier.isUnchanged(passage);
  }

  /** Runs the phases; synchronous unless the caller is seen for the first time. Rejects only on a bug or when the control plane is gone. */
  enter(exchange: Exchange): Verdict | Promise<Verdict> {
    const runtime = this.#runtime;
    const requestId = ("requestId" in exchange.head ? exchange.head.requestId : null) ?? runtime.traces.requestId();
    const target = this.#targets.read(exchange.target);
    if ("code" in target) return ofNoPath(exchange, target, requestId, runtime);
    const head = headOf(exchange, target.authority);
    if ("code" in head) return refused(head, requestId, runtime, null);
    const found = runtime.routes.find(head.host, exchange.method, target.segments);
    if (found.kind === "none")
      return refused(refuse("route_not_found", "route:none", "No route takes this path"), requestId, runtime, null);
    if (found.kind === "method") return refused(wrongMethod(found.allowed), requestId, runtime, null);
    return this.#identify({ exchange, requestId, runtime, head, target, route: found.route, values: found.values });
  }

  #identify(routed: Routed): Verdict | Promise<Verdict> {
    const { head, route, runtime, target } = routed;
    if (route.auth === "none") return this.#authorize(routed, null);
    const credential = readCredential(head, target.query, runtime.keys);
    if (credential !== null && "code" in credential) return refusedAt(credential, routed);
    const principal = this.#parts.identifier.identify(credential, route, runtime, head);
    return principal instanceof Promise
      ? principal.then((known) => this.#authorize(routed, known))
      : this.#authorize(routed, principal);
  }

  #authorize(routed: Routed, principal: Principal | Refusal | null): Verdict | Promise<Verdict> {
    if (principal !== null && "code" in principal) return refusedAt(principal, routed);
    const refusal = authorizeKnown(routed, principal) ?? narrowed(routed, principal);
    if (refusal !== null) return refusedAt(warned(refusal, principal), routed);
    if (principal === null || routed.route.resource === null) return this.#admit(routed, principal);
    const missing = this.#parts.ownership.check(principal, routed, routed.exchange.method);
    return missing instanceof Promise
      ? missing.then((known) => this.#owned(routed, principal, known))
      : this.#owned(routed, principal, missing);
  }

  #owned(routed: Routed, principal: Principal, refusal: Refusal | null): Verdict {
    return refusal === null ? this.#admit(routed, principal) : refusedAt(warned(refusal, principal), routed);
  }

  #admit(routed: Routed, principal: Principal | null): Verdict {
    const { exchange, head, requestId, route, runtime } = routed;
    const tooLarge = bodyTooLarge(head, runtime);
    if (tooLarge !== null) return refusedAt(tooLarge, routed);
    const charged = principal !== null && route.lines.length > 0;
    if (charged && !this.#parts.settler.healthy && runtime.settings.metering.onJournalFailure === "refuse")
      return refusedAt(METERING_DOWN, routed);
    const clientAddress = clientAddressOf(exchange.peer, head, runtime.trustedProxies);
    if (principal !== null) this.#parts.sightings.note(principal, clientAddress);
    const applicant = { runtime, route, principal, clientAddress, requestId, rawHeaders: head.raw };
    const admission = this.#parts.admitter.admit(applicant);
    if ("code" in admission) return refusedAt(admission, routed);
    const passage: Passage = {
      exchange,
      requestId,
      runtime,
      head,
      route,
      target: forwardedTarget(principal, routed),
      principal,
      clientAddress,
      reservation: admission.reservation,
      held: admission.held,
      watch: this.#parts.ownership.watch(principal, routed, requestId),
      limitState: admission.limitState,
    };
    return { kind: "forward", passage };
  }
}

/** Asks again only where the answer may differ from the last one for an equal head. */
function authorizeKnown(routed: Routed, principal: Principal | null): Refusal | null {
  const { route } = routed;
  const { caller } = routed.head.memo;
  const known = caller?.principal === principal ? caller : null;
  if (known?.allowed === route) return null;
  const refusal = authorize(principal, routed);
  if (refusal === null && known !== null && !dependsOnRequest(route)) known.allowed = route;
  return refusal;
}

/** Whether the caller's key is good for this request; asked each time, since equal heads come with other methods and from elsewhere. */
function narrowed({ exchange, head, route, runtime }: Routed, principal: Principal | null): Refusal | null {
  if (principal === null || principal.narrowing === null) return null;
  const address = clientAddressOf(exchange.peer, head, runtime.trustedProxies);
  return narrowingRefusal(principal.narrowing, { route: route.name, method: exchange.method, address });
}

/** A refusal warns of what is wrong with the credential as an answer does. */
function warned(refusal: Refusal, principal: Principal | null): Refusal {
  const warning = principal?.warning ?? null;
  if (warning === null) return refusal;
  return { ...refusal, headers: [...(refusal.headers ?? []), WARNING_HEADER, warning] };
}

/** Usage cannot be written just now; better to refuse than to serve unmetered. */
export const METERING_DOWN: Refusal = {
  code: "metering_unavailable",
  rule: "metering:journal",
  detail: "Usage cannot be recorded just now",
  fields: { retry_after: 1 },
  headers: ["Retry-After", "1"],
};

function bodyTooLarge(head: RequestHead, runtime: Runtime): Refusal | null {
  const { bodyBytesMax } = runtime.settings.server.limits;
  if (bodyBytesMax === null || head.contentLength === null || head.contentLength <= bodyBytesMax) return null;
  return bodyRefusal(bodyBytesMax);
}

export function bodyRefusal(bytesMax: number): Refusal {
  return {
    code: "body_too_large",
    rule: "limit:body",
    detail: `Body is larger than ${bytesMax} bytes`,
    fields: { limit: bytesMax },
    close: true,
  };
}

/** The head by which the request is routed, or why there is none. */
function headOf({ method, head }: Exchange, authority: string | null): RequestHead | Refusal {
  const fault = methodFault(method);
  if (fault !== null) return fault;
  return authority === null || "code" in head ? head : withAuthority(head, authority);
}

/** A target that is no path: `*` asks what the gateway as a whole can do (RFC 9110 §9.3.7), all others are refused. */
function ofNoPath(exchange: Exchange, refusal: Refusal, requestId: string, runtime: Runtime): Verdict {
  if (exchange.method !== "OPTIONS" || exchange.target !== "*") return refused(refusal, requestId, runtime, null);
  const { head } = exchange;
  if ("code" in head) return refused(head, requestId, runtime, null);
  const headers = ["Allow", ALL_METHODS, "x-request-id", requestId];
  return { kind: "answered", response: { status: 204, headers, body: Buffer.alloc(0) } };
}

function wrongMethod(allowed: readonly string[]): Refusal {
  const list = [...allowed].sort().join(", ");
  return { ...refuse("method_not_allowed", "route:method", `This path takes ${list}`), headers: ["Allow", list] };
}

function refused(refusal: Refusal, requestId: string, runtime: Runtime, route: CompiledRoute | null): Verdict {
  return { kind: "refused", refusal, requestId, runtime, route };
}

function refusedAt(refusal: Refusal, routed: Routed): Verdict {
  return refused(refusal, routed.requestId, routed.runtime, routed.route);
}
