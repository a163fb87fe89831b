/** What is tried again by itself, and when somebody must act. */
import { deepStrictEqual } from "node:assert/strict";
import { ConflictError, ForeignError, InvalidSpecError, RejectedError, UnavailableError } from "../errors.ts";
import { verdictOn } from "./trouble.ts";

const ROWS = [
  ["a conflict, at once", new ConflictError("Cannot write"), 0, "again", 0],
  ["the sixth conflict in a row, later", new ConflictError("Cannot write"), 5, "again", 32_000],
  ["no answer", new UnavailableError("Cannot read"), 0, "again", 1_000],
  ["a refusal, as an API server gives at its start", new RejectedError("Cannot write"), 0, "again", 1_000],
  ["a second refusal", new RejectedError("Cannot write"), 1, "again", 2_000],
  ["a third refusal", new RejectedError("Cannot write"), 2, "stalled", 60_000],
  ["a wrong spec", new InvalidSpecError("Cannot read"), 0, "stalled", 60_000],
  ["somebody else's object", new ForeignError("Cannot write"), 0, "stalled", 60_000],
  ["our own mistake", new Error("oh"), 0, "stopped", null],
] as const;

for (const [name, error, failures, type, afterMs] of ROWS) {
  Deno.test(`verdictOn() ${name}: ${type}`, () => {
    const verdict = verdictOn(error, failures, 0.5);
    deepStrictEqual([verdict.type, verdict.afterMs], [type, afterMs]);
  });
}
