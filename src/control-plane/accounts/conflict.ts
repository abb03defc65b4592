/** Thrown when a change meets something that is already there; the API answers 409 with the message, which is public. */
export class ConflictError extends Error {
  override readonly name = "ConflictError";
}
