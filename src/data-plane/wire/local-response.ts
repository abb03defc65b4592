/** An answer of the gateway's own, the same for both lanes and for upgrades. Pure. */
export interface LocalResponse {
  readonly status: number;
  /** Names and values in turn, `Content-Length` included where there is a body, `Connection` never. */
  readonly headers: readonly string[];
  readonly body: Buffer;
}
