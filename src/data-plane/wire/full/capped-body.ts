/** A request body on its way: cut off at a limit where its length is unknown, looked at where somebody measures it. Worker thread. Chunks pass through unbuffered, with backpressure. */
import { type IncomingMessage } from "node:http";
import { type Readable, Transform } from "node:stream";

/**
 * The body as it is when there is nothing to do; else a stream that shows every chunk to `onChunk`, and beyond `bytesMax` bytes
 * calls `onTooLarge` once and fails.
 */
export function cappedBody(
  request: IncomingMessage,
  bytesMax: number | null,
  onTooLarge: () => void,
  onChunk: ((chunk: Buffer) => void) | null,
): Readable {
  if (bytesMax === null && onChunk === null) return request;
  let bytes = 0;
  const capped = new Transform({
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
