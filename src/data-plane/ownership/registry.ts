/**
 * What this worker remembers of whose things are whose. Worker thread. Asked at first sight, emptied by push; nothing expires by itself.
 * Found and not found are kept apart, so that a flood of made-up ids evicts no real one.
 */
import { boundedCache } from "#data-plane/bounded-cache.ts";
import { likenessesOf, likenessOf } from "#core/resource-ids.ts";
import type { ControlLink } from "#data-plane/identity/control-link.ts";
import type { ResourceChange } from "#shared/messages.ts";
import type { Learnt, ResourceRecord } from "#shared/resources.ts";

const KNOWN_MAX = 100_000;
const FREE_MAX = 100_000;

/** A question under way; stale: what it is about has changed since it was asked. */
interface Asking {
  readonly kind: string;
  readonly likenesses: readonly string[];
  stale: boolean;
}

export class Registry {
  readonly #link: ControlLink;
  /** By kind and exact id. */
  readonly #known = boundedCache<ResourceRecord>(KNOWN_MAX);
  /** By kind and likeness: nothing that is known to be anybody's has it. */
  readonly #free = boundedCache<true>(FREE_MAX);
  readonly #asking = new Set<Asking>();

  constructor(link: ControlLink) {
    this.#link = link;
  }

  /** The thing with this id, else one that an app could take for it; null: nobody is known to own such a one. */
  find(kind: string, id: string): ResourceRecord | null | Promise<ResourceRecord | null> {
    const known = this.#known.get(placeOf(kind, id));
    if (known !== undefined) return known;
    const likenesses = likenessesOf(id);
    const isFree = likenesses.every((likeness) => this.#free.get(placeOf(kind, likeness)) === true);
    return isFree ? null : this.#ask(kind, id, likenesses);
  }

  /** Asks again when it has been overtaken by a change: what was true before is not enough to let anybody in. */
  async #ask(kind: string, id: string, likenesses: readonly string[]): Promise<ResourceRecord | null> {
    for (;;) {
      const asking: Asking = { kind, likenesses, stale: false };
      this.#asking.add(asking);
      const answer = await this.#link
        .ask({ kind: "resource", resource: kind, id })
        .finally(() => this.#asking.delete(asking));
      const found = answer.kind === "resource" ? answer.resource : null;
      if (asking.stale) continue;
      if (found === null) for (const likeness of likenesses) this.#free.set(placeOf(kind, likeness), true);
      else if (found.id === id) this.#known.set(placeOf(kind, id), found);
      return found;
    }
  }

  /** Resolves when every worker knows. */
  async learn(kind: string, id: string, account: string, user: string | null): Promise<Learnt> {
    const answer = await this.#link.ask({ kind: "learn", resource: kind, id, account, user });
    if (answer.kind !== "learn") throw new Error("Not an answer to what was asked");
    return answer.learnt;
  }

  /** Resolves when every worker knows. `account`: only if it is that one's. */
  async forget(kind: string, id: string, account: string | null): Promise<void> {
    await this.#link.ask({ kind: "forget", resource: kind, id, account });
  }

  /** Takes effect for the next request, and for those that wait for an answer. */
  invalidate(what: ResourceChange): void {
    this.#link.forgetUnderWay();
    if (what.kind === "resources") {
      this.#known.clear();
      this.#free.clear();
      for (const asking of this.#asking) asking.stale = true;
      return;
    }
    const likeness = likenessOf(what.id);
    this.#known.delete(placeOf(what.resource, what.id));
    this.#free.delete(placeOf(what.resource, likeness));
    for (const asking of this.#asking)
      if (asking.kind === what.resource && asking.likenesses.includes(likeness)) asking.stale = true;
  }
}

/** No kind has a space. */
function placeOf(kind: string, id: string): string {
  return `${kind} ${id}`;
}
