/** What a narrowed key is good for: routes, methods, clients' addresses. Worker thread, pure; made once for a principal. */
import type { BlockList } from "node:net";
import { addressSet, isInSet } from "#core/addresses.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import type { KeyNarrowing } from "#shared/principals.ts";

/** null: not narrowed in that way. */
export interface Narrowing {
  readonly routes: ReadonlySet<string> | null;
  readonly methods: ReadonlySet<string> | null;
  readonly addresses: BlockList | null;
}

/** A request as far as narrowing looks at it. */
export interface Use {
  readonly route: string;
  readonly method: string;
  /** Canonical; the client's. */
  readonly address: string;
}

/** null: the key is good for everything. */
export function compileNarrowing({ routes, methods, addresses }: KeyNarrowing): Narrowing | null {
  if (routes === null && methods === null && addresses === null) return null;
  return {
    routes: routes === null ? null : new Set(routes),
    methods: methods === null ? null : withHead(methods),
    addresses: addresses === null ? null : addressSet(addresses),
  };
}

/** Who may GET may HEAD (RFC 9110 §9.3.2). */
function withHead(methods: readonly string[]): ReadonlySet<string> {
  return new Set(methods.includes("GET") ? [...methods, "HEAD"] : methods);
}

/** null: allowed. Addresses first: where a stolen key is tried from, it says nothing of what it is good for. */
export function narrowingRefusal({ routes, methods, addresses }: Narrowing, use: Use): Refusal | null {
  if (addresses !== null && !isInSet(addresses, use.address))
    return refuse("permission_denied", "key:address", "API key is not good for requests from this address");
  if (routes !== null && !routes.has(use.route))
    return refuse("permission_denied", "key:route", `API key is not good for the route ${use.route}`);
  if (methods !== null && !methods.has(use.method))
    return refuse("permission_denied", "key:method", `API key is not good for ${use.method} requests`);
  return null;
}
