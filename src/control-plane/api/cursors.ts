/** Cursors of lists: opaque to clients, a JSON list in base64url. Main thread, pure. What comes back is checked like any input. */

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
