/**
 * Cursors of lists: opaque to clients, a JSON list in base64url. Main thread, pure. What comes back is checked like any input.
 * They hold the place of the last item as it was, not its name: items move and go while somebody pages.
 */
import { refuseBy } from "./problems.ts";

export function cursorOf(parts: readonly (string | number)[]): string {
  return Buffer.from(JSON.stringify(parts)).toString("base64url");
}

/** The list in it; null: `cursorOf` made no such text. */
export function readCursor(text: string): readonly unknown[] | null {
  const json = Buffer.from(text, "base64url").toString();
  if (Buffer.from(json).toString("base64url") !== text) return null;
  try {
    const parts: unknown = JSON.parse(json);
    return Array.isArray(parts) ? parts : null;
  } catch {
    return null;
  }
}

/** The number and the id that a cursor of this order holds. Refuses any other. */
export function placeIn(cursor: string, order: string): readonly [value: number, id: string] {
  const [by, value, id, ...rest] = readCursor(cursor) ?? [];
  const isPlace = by === order && Number.isSafeInteger(value) && typeof id === "string" && rest.length === 0;
  // Checked on the line above.
  return isPlace ? [value as number, id] : wrongCursor();
}

export function wrongCursor(): never {
  return refuseBy("query:cursor", "querystring/cursor", "Expected a nextCursor of the same list, in the same order");
}
