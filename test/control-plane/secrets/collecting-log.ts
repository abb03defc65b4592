/** A log whose lines a test can look at. Judges nothing. */
import { pino, type Logger } from "pino";

export type Line = Readonly<Record<string, unknown>>;

export function collectingLog(lines: Line[]): Logger {
  return pino({}, { write: (text: string) => void lines.push(JSON.parse(text)) });
}
