/** What a reader makes of the bytes of one connection. Texts are latin1: a character is an octet. */

export interface Message {
  readonly method: string;
  readonly target: string;
  /** Lower case, as the Host field has it. */
  readonly host: string;
  /** Decoded from its transfer coding. */
  readonly body: string;
  /** The fields by which an app knows its caller, under the names this reader knows them by: lines of `name: value`. */
  readonly marks: string;
  /** False where the bytes stop before the end of the body. */
  readonly whole: boolean;
}

export interface Reading {
  readonly messages: readonly Message[];
  /** Why the bytes behind these messages are no message; null: nothing is left. */
  readonly fault: string | null;
}

const MARK = /^(?:x-tollgate-|x-consumer-|x-forwarded-|x-request-id$|x-real-ip$)/;

/** Whether an app may take this field as the gateway's word; `name` in lower case. */
export function isMark(name: string): boolean {
  return MARK.test(name);
}
