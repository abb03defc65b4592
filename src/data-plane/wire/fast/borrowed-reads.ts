/**
 * Has an accepted socket read into one buffer that all sockets of this thread share, as node's `onread` does for those that connect:
 * nothing is allocated for a read, which is a tenth of what a small request costs. Worker thread.
 * node offers this for no accepted socket, so the socket is taken apart and put together anew around its handle. `_handle` and the
 * option `handle` are not documented, though node itself passes sockets between processes that way: where they are missing, and for
 * TLS, the socket stays as it is and its chunks are handed on. `test/data-plane/wire/fast/borrowed-reads.test.ts` runs both ways.
 */
import { type OnReadOpts, Socket, type SocketConstructorOpts } from "node:net";
import { Readable } from "node:stream";

const READ_BYTES = 64 * 1024;
const buffer = Buffer.allocUnsafeSlow(READ_BYTES);

/** Takes bytes that are good until it returns. */
export type Taker = (bytes: Buffer, length: number) => void;

interface Handle {
  reading?: boolean;
  readStop(): number;
}

/** A socket as node has it within. */
interface Inside {
  _handle?: Handle | null;
}

/** The socket to go on with; the one given is of no more use, unless it is the same. It has not been read from yet. */
export function borrowReads(socket: Socket, take: Taker): Socket {
  const handle = handleOf(socket);
  if (handle === null) {
    socket.on("data", (bytes: Buffer) => take(bytes, bytes.length));
    socket.resume();
    return socket;
  }
  const callback = (length: number) => {
    take(buffer, length);
    return true;
  };
  return around(socket, handle, { buffer, callback });
}

/**
 * An ordinary socket again, from one that `borrowReads` gave; what was read stays read. Whoever listens to it resumes it.
 * The handle goes on reading into the buffer, for node has no way back from that: each read is copied out of it.
 */
export function endBorrowing(socket: Socket): Socket {
  const handle = handleOf(socket);
  if (handle === null) {
    // What comes before somebody listens again is kept.
    socket.pause().removeAllListeners("data");
    return socket;
  }
  const ordinary: Socket = around(socket, handle, {
    buffer,
    callback: (length, bytes) => ordinary.push(Buffer.from(bytes.subarray(0, length))),
  });
  // A socket with `onread` stops reading when it is paused, and then never sees its end; an ordinary one reads ahead.
  ordinary.pause = () => {
    Readable.prototype.pause.call(ordinary);
    return ordinary;
  };
  return ordinary;
}

/** null: the socket cannot be taken apart. */
function handleOf(socket: Socket): Handle | null {
  if ("encrypted" in socket) return null;
  // Looked at for what it is before it is used.
  const handle = (socket as unknown as Inside)._handle;
  return typeof handle === "object" && handle !== null && typeof handle.readStop === "function" ? handle : null;
}

function around(socket: Socket, handle: Handle, onread: OnReadOpts): Socket {
  handle.reading = false;
  handle.readStop();
  (socket as unknown as Inside)._handle = null;
  // Without its handle it closes nothing; its server counts it out.
  socket.removeAllListeners();
  socket.destroy();
  const options = { handle, allowHalfOpen: true, onread };
  // The types know another kind of handle.
  const made = new Socket(options as unknown as SocketConstructorOpts);
  made.setNoDelay(true);
  return made;
}
