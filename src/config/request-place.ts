/** Places of a request as the file writes them: `path.NAME`, `query.NAME`, `header.NAME`. Pure. */
import type { RequestPlace } from "./access-settings.ts";

const PATH = "path\\.[A-Za-z_][A-Za-z0-9_]*";
const QUERY = "query\\.[A-Za-z_][A-Za-z0-9_-]*";
const HEADER = "header\\.[a-z][a-z0-9-]*";

/** What the schema takes. */
export const PLACE_PATTERN = `^(${PATH}|${QUERY}|${HEADER})$`;
export const OWN_PATTERN = `^(${PATH}|${QUERY}|header|resource)$`;

/** Takes apart what matches `PLACE_PATTERN`. */
export function requestPlace(text: string): RequestPlace {
  const dot = text.indexOf(".");
  // The pattern has one of these three before the dot.
  return { in: text.slice(0, dot) as RequestPlace["in"], name: text.slice(dot + 1) };
}
