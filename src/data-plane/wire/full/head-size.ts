/**
 * The bytes of a head as it would be written, request line and all: what `server.limits.headerBytes` limits. Worker thread, pure.
 * node's own limit counts neither separators nor line ends, which is a kilobyte too many for 256 fields.
 */

/** ` HTTP/1.1`, two line ends and a blank. */
const LINE_BYTES = 14;
/** Colon, blank and line end. */
const FIELD_BYTES = 4;

/** `raw`: names and values in turn, latin1. */
export function headBytes(method: string, target: string, raw: readonly string[]): number {
  let bytes = method.length + target.length + LINE_BYTES + (raw.length / 2) * FIELD_BYTES;
  for (const text of raw) bytes += text.length;
  return bytes;
}
