/**
 * One answer of an app, watched for the thing it tells of: a 201 makes it the caller's, an answer to its end makes it nobody's.
 * Worker thread; for one request. The lane holds the last bytes back until that is known to every worker, so that nobody else
 * gets at the thing when its maker hears of it.
 */
import type { ResourceSettings } from "#config/access-settings.ts";
import { isResourceId } from "#core/resource-ids.ts";
import type { Principal } from "#data-plane/identity/principal.ts";
import type { BodyReader } from "#data-plane/metering/measure/body-reader.ts";
import { bodyHead } from "#data-plane/metering/measure/body-head.ts";
import { textReaderFor } from "#data-plane/metering/measure/reader-for.ts";
import type { Concerned } from "#data-plane/refusal-log.ts";
import type { Registry } from "./registry.ts";

/** Hears that a thing was made and nobody owns it, or another one does, and why. */
export type UnlearnedListener = (kind: string, reason: string, of: Concerned) => void;

export interface Watched {
  /** null: its answers make nothing. */
  readonly learns: ResourceSettings | null;
  /** What may be gone with the answer; null: nothing. */
  readonly gone: { readonly kind: string; readonly id: string } | null;
  readonly principal: Principal;
  readonly of: Concerned;
}

/** Bytes of a body that is looked through for an id. */
const BODY_BYTES_MAX = 10 * 1024 * 1024;

export class AnswerWatch {
  readonly #registry: Registry;
  readonly #watched: Watched;
  readonly #onUnlearned: UnlearnedListener;
  /** null: nothing is made. */
  #reader: BodyReader | null = null;
  #forgets: "always" | "owner" | null = null;
  #over = false;

  constructor(registry: Registry, watched: Watched, onUnlearned: UnlearnedListener) {
    this.#registry = registry;
    this.#watched = watched;
    this.#onUnlearned = onUnlearned;
  }

  /** The answer's head. */
  head(status: number, rawHeaders: readonly string[]): void {
    const { learns, gone } = this.#watched;
    if (learns !== null && status === 201)
      this.#reader = textReaderFor(learns.path, bodyHead(rawHeaders), BODY_BYTES_MAX);
    if (gone === null) return;
    if (status >= 200 && status < 300) this.#forgets = "always";
    // Others may be told so for other reasons.
    else if (status === 404 || status === 410) this.#forgets = "owner";
  }

  /** The last bytes of the answer have to wait for `end`. */
  get holds(): boolean {
    return this.#reader !== null || this.#forgets !== null;
  }

  chunk(bytes: Uint8Array): void {
    this.#reader?.push(bytes);
  }

  /** The answer is whole: its last bytes may go when this has resolved, or at once when it is null. Never rejects. */
  end(): Promise<void> | null {
    if (this.#over) return null;
    this.#over = true;
    if (this.#reader !== null) return this.#learn(this.#reader);
    return this.#forgets === null ? null : this.#forget(this.#forgets);
  }

  /** The answer will not be whole. */
  cut(): void {
    if (!this.#over && this.#reader !== null) this.#unlearned("cut");
    this.#over = true;
  }

  #learn(reader: BodyReader): Promise<void> | null {
    const { learns, principal } = this.#watched;
    const reading = reader.end();
    const id = "text" in reading ? reading.text : "";
    if (learns === null || !isResourceId(id)) {
      this.#unlearned("fault" in reading ? reading.fault : "not_an_id");
      return null;
    }
    return this.#registry.learn(learns.kind, id, principal.account.id, principal.user).then(
      (learnt) => {
        if (learnt === "taken") this.#unlearned("taken");
      },
      // The app has made it: an answer that never comes would only have the client make another.
      () => this.#unlearned("store"),
    );
  }

  async #forget(when: "always" | "owner"): Promise<void> {
    const { gone, principal } = this.#watched;
    if (gone === null) return;
    // It stays its owner's then, who can end it again.
    await this.#registry.forget(gone.kind, gone.id, when === "owner" ? principal.account.id : null).catch(() => {});
  }

  #unlearned(reason: string): void {
    const { learns, of } = this.#watched;
    this.#onUnlearned(learns?.kind ?? "", reason, of);
  }
}
