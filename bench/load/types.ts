/** What a load is asked for, and what it reports. */
export interface Target {
  readonly url: string;
  readonly headers: Readonly<Record<string, string>>;
}

export interface LoadRequest extends Target {
  readonly connections: number;
  readonly seconds: number;
  /** Requests a second, sent at their times whatever the answers do. Left out: each connection sends again when it is answered. */
  readonly rate?: number;
  /** Values of `Authorization` to send in turn, in a file, one a line. */
  readonly credentials?: string;
  /** Of `credentials`: so many are left out at first. */
  readonly skip?: number;
  readonly method?: string;
  /** Bytes of the body of each request. */
  readonly bodyBytes?: number;
}

export interface Latency {
  readonly p50: number;
  readonly p99: number;
  readonly p999: number;
}

export interface LoadCounts {
  readonly ok: number;
  readonly notOk: number;
  /** Connection errors and timeouts. */
  readonly errors: number;
  readonly seconds: number;
  /** Bytes of answers, heads included. */
  readonly bytes: number;
  /** Milliseconds. */
  readonly latencyMs: Latency;
}
