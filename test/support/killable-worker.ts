/**
 * Preloaded into a gateway (`NODE_OPTIONS=--import`): whoever connects to `TOLLGATE_TEST_KILL_DIR/worker-N.sock` ends worker thread N
 * as a bug would, by an exception that nobody catches. Nothing else of the gateway changes. Tests use it by `killable.ts`.
 */
import { createServer } from "node:net";
import { join } from "node:path";
import { isMainThread, threadId } from "node:worker_threads";

const dir = process.env.TOLLGATE_TEST_KILL_DIR;
if (!isMainThread && dir !== undefined) {
  const server = createServer((socket) => {
    socket.destroy();
    setImmediate(() => {
      throw new Error("Killed by a test");
    });
  });
  server.listen(join(dir, `worker-${threadId}.sock`)).unref();
}
