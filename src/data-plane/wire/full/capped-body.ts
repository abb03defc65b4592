/**
 * A request body on its way: cut off at a limit where its length is unknown, looked at where somebody measures it. Worker thread.
 * Chunks pass through unbuffered, with backpressure. Always a stream of its own: undici takes the socket away from a request that it
 * has to give up, and the client is still to be answered on it.
 */
import { type IncomingMessage } from "node:http";
import { type Readable, Transform } from "node:stream";

/** A stream that shows every chunk to `onChunk`, and beyond `bytesMax` bytes calls `onTooLarge` once and fails. */
export function cappedBody(
  request: IncomingMessage,
  bytesMax: number | null,
  onTooLarge: () => void,
  onChunk: ((chunk: Buffer) => void) | null,
): Readable {
  let bytes = 0;
  const capped = new Transform({
    // Of octets undici would tell the length once they have all come, and whether a body goes on in chunks would hang on that.
    readableObjectMode: true,
    readableHighWaterMark: 1,
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytesMax === null || bytes <= bytesMax) {
        onChunk?.(chunk);
        return done(null, chunk);
      }
      onTooLarge();
      return done(new Error("Body is too large"));
    },
  });
  request.on("error", (error) => capped.destroy(error));
  return request.pipe(capped);
}
