/** The seeds of every test run, in two halves so that two processors share them, and what a failing one says. */
import assert from "node:assert/strict";
import { type Report, ROLLOUTS_A_WORLD, simulate } from "./scenario.ts";

/** Worlds of each half: 2,000 rollouts together. */
const WORLDS = 1_000 / ROLLOUTS_A_WORLD;

/** What did not hold, where, and how to see it again. */
export function failureOf(report: Report): string {
  return `${report.violation?.message}\n  in rollout ${report.rollouts} of seed ${report.seed}` +
    `\nReplay it: deno task sim --seed ${report.seed} --trace`;
}

/** Runs half of the seeds; fails at the first that breaks an invariant, and when some ending never came up. */
export async function holdInvariants(half: 0 | 1): Promise<void> {
  const outcomes = new Map<string, number>();
  for (let world = 0; world < WORLDS; world += 1) {
    const report = await simulate(1 + half * WORLDS + world);
    assert.equal(report.violation, null, failureOf(report));
    for (const [outcome, count] of report.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
  }
  for (const wanted of ["succeeded", "failed", "held", "cancelled"]) {
    assert.ok((outcomes.get(wanted) ?? 0) > 0, `No rollout ended as "${wanted}": the simulation has lost its teeth`);
  }
}
