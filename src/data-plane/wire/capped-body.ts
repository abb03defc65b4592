/** A request body of unknown length, cut off at a limit. Worker thread. Chunks pass through unbuffered, with backpressure. */
import { type IncomingMessage } from "node:http";
import { type Readable, Transform } from "node:stream";

/** The body as it is when `bytesMax` is null; else a stream that calls `onTooLarge` once and fails when more comes. */
export function cappedBody(request: IncomingMessage, bytesMax: number | null, onTooLarge: () => void): Readable {
  if (bytesMax === null) return request;
  let bytes = 0;
  const capped = new Transform({
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= bytesMax) return done(null, chunk);
      onTooLarge();
      return done(new Error("Body is too large"));
    },
  });
  request.on("error", (error) => capped.destroy(error));
  return request.pipe(capped);
}
