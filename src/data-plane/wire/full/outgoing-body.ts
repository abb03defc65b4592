/**
 * A request's body on its way to undici: looked at as it passes, cut off at a limit where its length is unknown. Worker
 * thread. Chunks pass through unbuffered, with backpressure.
 * Always a stream of its own: undici destroys the one it is given when its call ends, and takes the socket away from node's own requests.
 */
import type { IncomingMessage } from "node:http";
import { type Readable, Transform } from "node:stream";

export interface BodyWatch {
  /** Beyond them `onTooLarge` is called, once, and the stream fails. */
  readonly bytesMax: number;
  readonly onTooLarge: () => void;
  /** Every chunk, as it passes. */
  readonly onChunk: (chunk: Buffer) => void;
}

export function outgoingBody(request: IncomingMessage, chunked: boolean, watch: BodyWatch): Readable {
  const { bytesMax, onTooLarge, onChunk } = watch;
  let bytes = 0;
  const body = new Transform({
    // undici finds out the length of a stream of bytes that has ended already: how a body goes out would depend on how it came in.
    ...(chunked ? { readableObjectMode: true, readableHighWaterMark: 1 } : {}),
    transform(chunk: Buffer, _encoding, done) {
      bytes += chunk.length;
      if (bytes <= bytesMax) {
        onChunk(chunk);
        return done(null, chunk);
      }
      onTooLarge();
      return done(new Error("Body is too large"));
    },
  });
  request.on("error", (error) => body.destroy(error));
  return request.pipe(body);
}
