/**
 * All routes of a snapshot: the file's, and the gateway's own below `server.prefix`. Worker thread, frozen.
 * The prefix is the gateway's alone, on every host and with every method: a catch-all route must neither hide an endpoint nor
 * get what was meant for one.
 */
import { type Found, type RouteMatch, RouteTable } from "./route-table.ts";

export class Routes<R> {
  readonly #prefix: readonly string[];
  readonly #builtin: RouteTable<R>;
  readonly #file: RouteTable<R>;

  /** `prefix` is `server.prefix`; the paths of `builtin` begin with it, those of `file` never do literally. */
  constructor(prefix: string, builtin: readonly RouteMatch<R>[], file: readonly RouteMatch<R>[]) {
    this.#prefix = prefix.split("/").slice(1);
    this.#builtin = new RouteTable(builtin);
    this.#file = new RouteTable(file);
  }

  /** As `RouteTable.find`. */
  find(host: string, method: string, segments: readonly string[]): Found<R> {
    const table = this.#prefix.every((text, index) => segments[index] === text) ? this.#builtin : this.#file;
    return table.find(host, method, segments);
  }
}
