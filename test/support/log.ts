/** Reads what the gateway logs: JSON lines among any other output. Does not wait for anything. */

export type LogLine = Readonly<Record<string, unknown>>;

/** Every complete line that is a JSON object, in order; other lines are passed over. */
export function readLog(output: string): readonly LogLine[] {
  const complete = output.slice(0, output.lastIndexOf("\n") + 1);
  return complete.split("\n").flatMap(parseLine);
}

function parseLine(line: string): readonly LogLine[] {
  if (!line.startsWith("{")) return [];
  try {
    const value: unknown = JSON.parse(line);
    return isObject(value) ? [value] : [];
  } catch {
    return [];
  }
}

function isObject(value: unknown): value is LogLine {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
