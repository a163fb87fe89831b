/** What the contract suites of wire adapters share: answers that servers should not give, and a look for secrets. */
import assert from "node:assert/strict";
import { SerinError } from "../../src/errors.ts";
import type { HttpAnswer } from "../../src/ports/http.ts";
import { frozen } from "./builders.ts";

const STATUSES = [200, 204, 301, 400, 401, 403, 404, 408, 422, 429, 500, 501, 503];

/** Every status with every kind of body, among them such that repeat `secrets`. */
export function hostileAnswers(secrets: readonly string[]): readonly HttpAnswer[] {
  const said = secrets.join(" ");
  const bodies = [
    ...["", " ", "ok", "null", "[]", "{}", "<html>oops</html>", '{"status":"success","da', "\u0000"],
    ...[said, JSON.stringify({ status: "error", errorType: "bad_data", error: said })],
    ...[JSON.stringify({ status: "error", errorType: said, error: "" }), JSON.stringify({ ok: false, error: said })],
    ...[JSON.stringify({ status: "success", data: { resultType: said, result: said } })],
  ];
  return STATUSES.flatMap((status) => bodies.map((body) => frozen({ status, headers: {}, body })));
}

/** Secrets of contract tests begin with "geheim". Returns true, for `assert.throws`. */
export function assertNoSecret(error: unknown): true {
  const more = error instanceof SerinError ? `${error.fix} ${JSON.stringify(error.data)}` : "";
  const printed = `${Deno.inspect(error, { depth: 8 })} ${more}`;
  assert.ok(!printed.includes("geheim"), printed);
  return true;
}
