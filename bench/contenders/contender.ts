/** One way to serve the benchmark's requests: the app alone, a gateway, a proxy. */
import type { Target } from "#bench/load/types.ts";
import type { Stage } from "#bench/stage.ts";

/** What is asked of it: nothing but the answer; to pass requests on; to check keys, or tokens, first. */
export type Task = "app" | "bare" | "key" | "jwt";

export interface Running extends Target, AsyncDisposable {
  /** The process whose time is counted. */
  readonly pid: number;
}

export interface Contender {
  readonly name: string;
  readonly task: Task;
  /** Whether it is this project. */
  readonly own: boolean;
  /** Version of what runs; null: it is not installed here. */
  version(): string | null;
  start(stage: Stage): Promise<Running>;
}

/** What clients of the benchmark send besides their credentials: a plain API client's fields. */
export const CLIENT_HEADERS = { accept: "application/json", "user-agent": "bench/1.0 (linux)" } as const;

export const PATH = "/models/m1";
