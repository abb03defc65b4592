/**
 * Phase 2, second half: from host, method and path to a route. Worker thread.
 * A trie of path segments a host: lookups cost the length of the path, not the number of routes.
 * The most specific route wins: exact host before `*.` suffix (longest first) before any; in a path, at each segment
 * literal before parameter before tail. A route that lacks the method does not hide a less specific one that has it.
 * Not here: equal routes; they are refused when the file is loaded (`config/semantics.ts`).
 */
import type { HttpMethod } from "#config/settings.ts";

const ALL_METHODS: readonly HttpMethod[] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];

export interface RouteMatch<R> {
  readonly host: string | null;
  readonly path: string;
  /** null: all. */
  readonly methods: readonly HttpMethod[] | null;
  readonly route: R;
}

export type Found<R> =
  | { readonly kind: "route"; readonly route: R; readonly values: readonly string[] }
  | { readonly kind: "method"; readonly allowed: readonly string[] }
  | { readonly kind: "none" };

interface Node<R> {
  readonly literals: Map<string, Node<R>>;
  parameter: Node<R> | null;
  /** By method. */
  readonly here: Map<string, R>;
  readonly tail: Map<string, R>;
}

export class RouteTable<R> {
  readonly #exact = new Map<string, Node<R>>();
  readonly #suffixes = new Map<string, Node<R>>();
  readonly #any = newNode<R>();

  constructor(matches: readonly RouteMatch<R>[]) {
    for (const match of matches) this.#insert(match);
  }

  #insert(match: RouteMatch<R>): void {
    let node = this.#root(match.host);
    const segments = match.path.split("/").slice(1);
    if (segments.at(-1) === "") segments.pop();
    let methods = node.here;
    for (const segment of segments) {
      if (segment === "**") {
        methods = node.tail;
        break;
      }
      node = segment.startsWith("{") ? (node.parameter ??= newNode<R>()) : childOf(node, segment);
      methods = node.here;
    }
    for (const method of match.methods ?? ALL_METHODS) methods.set(method, match.route);
  }

  #root(host: string | null): Node<R> {
    if (host === null) return this.#any;
    const [map, name] = host.startsWith("*.") ? [this.#suffixes, host.slice(1)] : [this.#exact, host];
    const root = map.get(name) ?? newNode<R>();
    map.set(name, root);
    return root;
  }

  /** `host` lower case without port; `segments` as `path.ts` gives them. */
  find(host: string, method: string, segments: readonly string[]): Found<R> {
    const values: string[] = [];
    const exact = this.#exact.get(host);
    const named = exact === undefined ? null : search(exact, segments, 0, method, values);
    if (named !== null) return { kind: "route", route: named, values };
    if (this.#suffixes.size > 0) {
      for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1)) {
        const wildcard = this.#suffixes.get(host.slice(dot));
        const below = wildcard === undefined ? null : search(wildcard, segments, 0, method, values);
        if (below !== null) return { kind: "route", route: below, values };
      }
    }
    const hostless = search(this.#any, segments, 0, method, values);
    return hostless === null ? this.#missed(host, segments) : { kind: "route", route: hostless, values };
  }

  /** The path with any of the methods there are. */
  #missed(host: string, segments: readonly string[]): Found<R> {
    const roots = [this.#exact.get(host), this.#any];
    for (let dot = host.indexOf("."); dot !== -1; dot = host.indexOf(".", dot + 1))
      roots.push(this.#suffixes.get(host.slice(dot)));
    const allowed = ALL_METHODS.filter((method) =>
      roots.some((root) => root !== undefined && search(root, segments, 0, method, []) !== null),
    );
    return allowed.length === 0 ? { kind: "none" } : { kind: "method", allowed };
  }
}

function newNode<R>(): Node<R> {
  return { literals: new Map(), parameter: null, here: new Map(), tail: new Map() };
}

function childOf<R>(node: Node<R>, segment: string): Node<R> {
  const child = node.literals.get(segment) ?? newNode<R>();
  node.literals.set(segment, child);
  return child;
}

/** Depth first, most specific branch first. `values` holds the parameters of the branch that found the route. */
function search<R>(node: Node<R>, segments: readonly string[], at: number, method: string, values: string[]): R | null {
  const segment = segments[at];
  if (segment === undefined) return node.here.get(method) ?? node.tail.get(method) ?? null;
  const literal = node.literals.get(plain(segment));
  const found = literal === undefined ? null : search(literal, segments, at + 1, method, values);
  if (found !== null) return found;
  if (node.parameter !== null) {
    values.push(segment);
    const route = search(node.parameter, segments, at + 1, method, values);
    if (route !== null) return route;
    values.pop();
  }
  return node.tail.get(method) ?? null;
}

/**
 * A segment without escapes. Templates hold none, and an app decodes before it looks: `/batch%3Adelete` has to find the rule of
 * `/batch:delete`, not that of `/{id}`. What is forwarded stays as it came.
 */
function plain(segment: string): string {
  return segment.includes("%") ? decodeURIComponent(segment) : segment;
}
