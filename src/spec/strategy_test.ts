/** Steps of a rollout by weights. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { linearSteps } from "./strategy.ts";

Deno.test("linearSteps() rises to the maximum, past it at most once, and never past 100", () => {
  assert.deepEqual(linearSteps(20, 50), [20, 40, 60]);
  assert.deepEqual(linearSteps(30, 100), [30, 60, 90, 100]);
  assert.deepEqual(linearSteps(100, 10), [100]);
  assert.equal(linearSteps(-1, 1e9).length, 100);
  const percent = fc.integer({ min: 1, max: 100 });
  fc.assert(fc.property(percent, percent, (step, max) => {
    const steps = linearSteps(step, max);
    assert.ok(steps.length > 0);
    for (const [index, weight] of steps.entries()) {
      assert.ok(weight > (steps[index - 1] ?? 0) && weight <= 100);
      assert.equal(weight >= max, index === steps.length - 1);
    }
  }));
});
