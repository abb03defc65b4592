/**
 * More listening sockets on a worker's port (SO_REUSEPORT): libuv takes one connection of each in a turn of the event loop, so with one
 * socket hundreds of clients that come at once wait for as many turns, which are long exactly when there is much to do. Worker thread.
 * The connections are the lane's from the first: not here is whatever becomes of them.
 */
import { once } from "node:events";
import { createServer, type ListenOptions, type Server, type ServerOpts } from "node:net";

/** Besides the lane's own. HAProxy takes up to 64 connections at a time. */
const DOORS = 31;

export class Doors {
  readonly #doors: readonly Server[];

  /** `server` gets what comes in, in sockets made by these options: its own. */
  constructor(server: Server, options: Pick<ServerOpts, "allowHalfOpen" | "noDelay" | "pauseOnConnect">) {
    this.#doors = Array.from({ length: DOORS }, () =>
      createServer(options, (socket) => void server.emit("connection", socket))
        // `listen` hears those of its own; one that cannot be accepted later is one client's loss.
        .on("error", () => undefined),
    );
  }

  /** Resolves when all listen; rejects when one cannot. */
  async listen(options: ListenOptions): Promise<void> {
    await Promise.all(
      this.#doors.map(async (door) => {
        door.listen(options);
        await once(door, "listening");
      }),
    );
  }

  /** Lets nobody in any more; resolves when all who came in have left. */
  async close(): Promise<void> {
    await Promise.all(this.#doors.map((door) => new Promise<void>((resolve) => void door.close(() => resolve()))));
  }
}
