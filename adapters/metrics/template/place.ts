/** Where in a template something is wrong, as a person counts: lines and columns from 1. */
import { InvalidSpecError } from "../../../src/errors.ts";

export interface Place {
  readonly text: string;
  /** `MetricTemplate "prod/latency"`. */
  readonly where: string;
}

/** @param offset of the first character that is wrong */
export function failAt(place: Place, offset: number, reason: string, fix: string): InvalidSpecError {
  const before = place.text.slice(0, offset);
  const line = before.split("\n").length;
  const column = offset - (before.lastIndexOf("\n") + 1) + 1;
  return new InvalidSpecError(
    `Cannot render the query of ${place.where}: line ${line}, column ${column}: ${reason}`,
    { fix, data: { line, column } },
  );
}
