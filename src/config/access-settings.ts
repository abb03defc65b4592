/** What routes ask of their callers, as settings: see `settings.ts`. Nothing but types and what asks for nothing. */
import type { JsonPath } from "#core/meter-source.ts";

/** Where a request names something: a parameter of the path, of the query, or a header in lower case. */
export interface RequestPlace {
  readonly in: "path" | "query" | "header";
  readonly name: string;
}

/** Things that an app makes and whose owners the gateway learns. */
export interface ResourceSettings {
  /** Its name in the file. */
  readonly kind: string;
  /** Where the app's answer 201 has the id. */
  readonly path: JsonPath;
  /** What becomes of requests for a thing that nobody is known to own. */
  readonly unknown: "allow" | "deny";
}

/** The thing a request is about. */
export interface ResourceRule {
  readonly kind: string;
  readonly id: RequestPlace;
}

/**
 * What is the caller's own on a route, for those whose permission ends in `:own`: a path parameter that has to be the user, a query
 * parameter that the gateway sets to the user, a header that asks the app for it, or a thing whose owner is the user.
 */
export type OwnRule = RequestPlace | { readonly in: "data-scope" } | { readonly in: "resource" };

export interface RequireSettings {
  readonly roles: readonly string[];
  readonly permissions: readonly string[];
  readonly scopes: readonly string[];
  readonly features: readonly string[];
  /** What must be the caller's account; null: nothing. */
  readonly account: RequestPlace | null;
  /** What must be the caller's user; null: nothing. */
  readonly owner: RequestPlace | null;
  /** null: who has a permission only for what is their own does not get in. */
  readonly own: OwnRule | null;
  /** The thing that must be the account's, or shared with it; null: none. */
  readonly resource: ResourceRule | null;
}

/** Credentials that are taken. */
export type Scheme = "jwt" | "key";

/** Taken where the file does not say. */
export const SCHEMES: readonly Scheme[] = Object.freeze(["jwt", "key"] as const);

/** A rate that applies, and the requests that one counts as. */
export interface RouteRate {
  readonly name: string;
  readonly cost: number;
}

/** What some of the gateway's own endpoints ask of their callers. */
export interface EndpointRule {
  /** Names of endpoints, or beginnings of names with a `*`. */
  readonly operations: readonly string[];
  readonly schemes: readonly Scheme[];
  readonly require: RequireSettings;
  readonly rates: readonly RouteRate[];
}

/** Asks for nothing. */
export const NOTHING_REQUIRED: RequireSettings = Object.freeze({
  roles: Object.freeze([]),
  permissions: Object.freeze([]),
  scopes: Object.freeze([]),
  features: Object.freeze([]),
  account: null,
  owner: null,
  own: null,
  resource: null,
});
