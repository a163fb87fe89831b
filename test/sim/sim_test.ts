/** The crash simulation, first half of its seeds; and that a seed always tells the same story. */
import assert from "node:assert/strict";
import { simulate } from "./scenario.ts";
import { holdInvariants } from "./seeds.ts";

Deno.test("the first 1,000 rollouts of a run keep every invariant", () => holdInvariants(0));

Deno.test("a seed tells the same story twice", async () => {
  const tell = async (): Promise<string> => {
    const lines: string[] = [];
    await simulate(7, { trace: (line) => lines.push(line), rollouts: 2 });
    return lines.join("\n");
  };
  assert.equal(await tell(), await tell());
});
