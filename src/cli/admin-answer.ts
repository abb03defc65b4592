/** What the admin API is to a command, however it is reached. Main thread. */
import { CommandFault } from "./context.ts";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";
export type Json = Readonly<Record<string, unknown>>;

export interface AdminClient {
  /** `body`: a text as CSV, all else as JSON. The answer's object. Throws `CommandFault` with the API's own words when it refuses. */
  call(method: Method, path: string, body?: Json | readonly unknown[] | string): Promise<Json>;
}

/** The admin API refuses; its own words. */
export class Refused extends CommandFault {
  /** What of the request is at fault, `body/3/account` say; null: it does not say. */
  readonly path: string | null;

  constructor(words: string, path: string | null) {
    super(words);
    this.path = path;
  }
}

/** There is no such thing. */
export class NotFound extends Refused {}

export function readAnswer(status: number, text: string): Json {
  const value: unknown = JSON.parse(text);
  // The admin API answers with objects only.
  const answer = value as Json;
  if (status < 400) return answer;
  const detail = String(answer.detail ?? answer.message ?? `The gateway answered ${status}`);
  const words = [detail, ...faultsOf(answer)].join("\n");
  const path = typeof answer.path === "string" ? answer.path : null;
  throw status === 404 ? new NotFound(words, path) : new Refused(words, path);
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
  // As `imports-api.ts` makes them.
  return Array.isArray(faults) ? (faults as readonly RowFault[]).map(rowLine) : [];
}

interface RowFault {
  readonly row: number;
  readonly column: string | null;
  readonly reason: string;
}

export function rowLine({ row, column, reason }: RowFault): string {
  return `  row ${row}${column === null ? "" : `, ${column}`}: ${reason}`;
}
