/** A query that gets no answer, told the way Prometheus tells it: a kind, and a text that names line and column. */

/** "bad_data" is status 400 (the query is wrong), "execution" 422 (it cannot be evaluated over these samples). */
export type PromqlErrorType = "bad_data" | "execution";

export class PromqlError extends Error {
  readonly errorType: PromqlErrorType;

  constructor(errorType: PromqlErrorType, message: string) {
    super(message);
    this.name = "PromqlError";
    this.errorType = errorType;
  }
}
