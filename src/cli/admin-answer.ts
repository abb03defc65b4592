/** What the admin API is to a command, however it is reached. Main thread. */
import { CommandFault } from "./context.ts";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";
export type Json = Readonly<Record<string, unknown>>;

export interface AdminClient {
  /** `body`: a text as CSV, all else as JSON. The answer's object. Throws `CommandFault` with the API's own words when it refuses. */
  call(method: Method, path: string, body?: Json | readonly unknown[] | string): Promise<Json>;
}

/** There is no such thing. */
export class NotFound extends CommandFault {}

export function readAnswer(status: number, text: string): Json {
  const value: unknown = JSON.parse(text);
  // The admin API answers with objects only.
  const answer = value as Json;
  if (status < 400) return answer;
  const detail = String(answer.detail ?? answer.message ?? `The gateway answered ${status}`);
  const words = [detail, ...faultsOf(answer)].join("\n");
  throw status === 404 ? new NotFound(words) : new CommandFault(words);
}

/** A body and its type. */
export function contentOf(body: Json | readonly unknown[] | string): {
  readonly body: string;
  readonly headers: Record<string, string>;
} {
  return typeof body === "string"
    ? { body, headers: { "content-type": "text/csv" } }
    : { body: JSON.stringify(body), headers: { "content-type": "application/json" } };
}

/** What is wrong with single rows of a file. */
function faultsOf({ faults }: Json): readonly string[] {
  if (!Array.isArray(faults)) return [];
  return faults.map(
    ({ row, column, reason }: Json) => `  row ${row}${column === null ? "" : `, ${column}`}: ${reason}`,
  );
}
