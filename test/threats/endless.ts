/** Apps that go on for ever, and what the gateway's process takes meanwhile. */
import { readFile } from "node:fs/promises";
import type { Socket } from "node:net";

/** What a process may grow by: far less than it is sent, more than a garbage collector leaves lying about. */
export const MEMORY_GROWTH_BYTES_MAX = 128 * 1024 * 1024;

/** Resident memory of a process. */
export async function memoryBytes(pid: number): Promise<number> {
  const kibibytes = /^VmRSS:\s+(\d+) kB/m.exec(await readFile(`/proc/${pid}/status`, "utf8"))?.[1];
  if (kibibytes === undefined) throw new Error(`No memory of process ${pid}`);
  return Number(kibibytes) * 1024;
}

/** Writes one piece after the other, each when the one before is on its way. */
export function sayInTurns(socket: Socket, pieces: readonly string[]): void {
  const [first, ...rest] = pieces;
  if (first !== undefined) socket.write(first, "latin1", () => setImmediate(() => sayInTurns(socket, rest)));
}

/** Writes the text again and again, as fast as it is read, until the connection ends. */
export function sayForEver(socket: Socket, text: string): void {
  const piece = text.repeat(Math.ceil(16_384 / text.length));
  const more = () => {
    while (!socket.destroyed && socket.write(piece, "latin1"));
  };
  socket.on("drain", more);
  more();
}
