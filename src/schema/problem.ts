/** What a check of a value finds, for whoever shows it with file and line. */
import type { FieldPath } from "./path.ts";

/** One thing wrong with a value. */
export interface Problem {
  readonly path: FieldPath;
  /** Why, with the current value; capital first, no full stop. */
  readonly reason: string;
  /** What to do, one sentence. */
  readonly fix: string;
}
