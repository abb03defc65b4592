/** Lists that stand in a column as JSON text. Main thread, pure. */

export function listOf(json: string): readonly string[] {
  const value: unknown = JSON.parse(json);
  return Array.isArray(value) ? value.filter((item): item is string => typeof item === "string") : [];
}
