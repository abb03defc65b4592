/** What routes ask of their callers, as settings: see `settings.ts`. Types only. */

/** Where a request names something: a parameter of the path, of the query, or a header in lower case. */
export interface RequestPlace {
  readonly in: "path" | "query" | "header";
  readonly name: string;
}

/**
 * What is the caller's own on a route, for those whose permission ends in `:own`: a path parameter that has to be the user, a query
 * parameter that the gateway sets to the user, or a header that asks the app for it.
 */
export type OwnRule = RequestPlace | { readonly in: "data-scope" };

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
});
