/**
 * Rules about things that apps make: the caller's account has to own the thing that a request is about, or it is shared with it.
 * Worker thread. A thing of others is answered as if it were not there.
 */
import type { ResourceRule } from "#config/access-settings.ts";
import { type Refusal, refuse } from "#core/errors.ts";
import { isResourceId } from "#core/resource-ids.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import { type Asked, namedValue } from "#data-plane/policy/named-value.ts";
import { isOwnOnly } from "#data-plane/policy/own-things.ts";
import type { Concerned } from "#data-plane/refusal-log.ts";
import type { ResourceRecord } from "#shared/resources.ts";
import { AnswerWatch, type UnlearnedListener } from "./answer-watch.ts";
import type { Registry } from "./registry.ts";

const SAFE_METHODS: ReadonlySet<string> = new Set(["GET", "HEAD", "OPTIONS"]);

/** Where records come from: a worker's registry, or a command's question. */
export type FindResource = (kind: string, id: string) => ResourceRecord | null | Promise<ResourceRecord | null>;

export class Ownership {
  readonly #registry: Registry;
  readonly #onUnlearned: UnlearnedListener;
  readonly #find: FindResource;

  constructor(registry: Registry, onUnlearned: UnlearnedListener) {
    this.#registry = registry;
    this.#onUnlearned = onUnlearned;
    this.#find = (kind, id) => registry.find(kind, id);
  }

  /** null: allowed. Synchronous for a thing seen before. Never rejects. */
  check(principal: Principal, asked: Asked, method: string): Refusal | null | Promise<Refusal | null> {
    return ownershipRefusal(principal, asked, method, this.#find);
  }

  /** Watches the answer for what it makes or ends; null: nothing. */
  watch(principal: Principal | null, asked: Asked, requestId: string): AnswerWatch | null {
    const { route } = asked;
    if (principal === null || (route.learns === null && !route.forgets)) return null;
    const rule = route.require.resource;
    const id = route.forgets && rule !== null ? namedValue(rule.id, asked) : null;
    const of: Concerned = { requestId, route: route.name, account: principal.account.id };
    const gone = typeof id === "string" && rule !== null ? { kind: rule.kind, id } : null;
    return new AnswerWatch(this.#registry, { learns: route.learns, gone, principal, of }, this.#onUnlearned);
  }
}

/** null: allowed, or the route asks for no thing. Never rejects. */
export function ownershipRefusal(
  principal: Principal,
  asked: Asked,
  method: string,
  find: FindResource,
): Refusal | null | Promise<Refusal | null> {
  const rule = asked.route.require.resource;
  if (rule === null) return null;
  const id = namedValue(rule.id, asked);
  if (typeof id === "object" && id !== null) return id;
  if (id === null || !isResourceId(id)) return notThere(rule);
  const look: Look = { principal, asked, method, id };
  const record = find(rule.kind, id);
  if (!(record instanceof Promise)) return isOpen(record, look) ? null : notThere(rule);
  return record.then(
    (found) => (isOpen(found, look) ? null : notThere(rule)),
    () => refuse("overloaded", `resource:${rule.kind}`, "It cannot be looked up just now whose this is"),
  );
}

/** Who asks for what, and how. */
interface Look {
  readonly principal: Principal;
  readonly asked: Asked;
  readonly method: string;
  readonly id: string;
}

function isOpen(record: ResourceRecord | null, { principal, asked: { route }, method, id }: Look): boolean {
  const { account, user } = principal;
  const isUnknownOpen = route.resource?.unknown === "allow";
  const mustBeUsers = route.require.own?.in === "resource" && isOwnOnly(principal, route);
  if (record === null) return isUnknownOpen && !mustBeUsers;
  // Another spelling keeps others out; it lets in to nothing that the id as it stands would not.
  if (record.id !== id && (mustBeUsers || !isUnknownOpen)) return false;
  if (mustBeUsers) return record.account === account.id && record.user !== null && record.user === user;
  if (record.account === account.id) return true;
  const access = record.shares.find((share) => share.account === account.id)?.access;
  return access === "write" || (access === "read" && SAFE_METHODS.has(method));
}

function notThere({ kind }: ResourceRule): Refusal {
  return refuse("not_found", `resource:${kind}`, "There is no such thing, or it is not yours");
}
