/** What the admin API is to a command, however it is reached. Main thread. */
import { CommandFault } from "./context.ts";

export type Method = "GET" | "POST" | "PATCH" | "DELETE";
export type Json = Readonly<Record<string, unknown>>;

export interface AdminClient {
  /** The answer's object. Throws `CommandFault` with the API's own words when it refuses. */
  call(method: Method, path: string, body?: Json | readonly unknown[]): Promise<Json>;
}

/** There is no such thing. */
export class NotFound extends CommandFault {}

export function readAnswer(status: number, text: string): Json {
  const value: unknown = JSON.parse(text);
  // The admin API answers with objects only.
  const answer = value as Json;
  if (status < 400) return answer;
  const words = String(answer.detail ?? answer.message ?? `The gateway answered ${status}`);
  throw status === 404 ? new NotFound(words) : new CommandFault(words);
}
