/**
 * The crash simulation by hand: `deno task sim --rollouts 20000` for more of it, `deno task sim --seed 7 --trace` to see
 * one world in full. Ends with status 1 and the command that replays it when an invariant does not hold.
 */
import { parseArgs } from "node:util";
import { ROLLOUTS_A_WORLD, simulate } from "./scenario.ts";
import { failureOf } from "./seeds.ts";

if (import.meta.main) {
  const { values } = parseArgs({
    args: [...Deno.args],
    options: {
      rollouts: { type: "string", default: "2000" },
      from: { type: "string", default: "1" },
      seed: { type: "string" },
      trace: { type: "boolean", default: false },
      go: { type: "boolean", default: false },
    },
  });
  const say = (line: string): void => void Deno.stdout.writeSync(new TextEncoder().encode(`${line}\n`));
  const outcomes = new Map<string, number>();
  const first = Number(values.seed ?? values.from);
  const worlds = values.seed === undefined ? Math.ceil(Number(values.rollouts) / ROLLOUTS_A_WORLD) : 1;
  let failed = 0;
  let rollouts = 0;
  for (let seed = first; seed < first + worlds; seed += 1) {
    const report = await simulate(seed, values.trace ? { trace: say } : {});
    rollouts += report.rollouts;
    for (const [outcome, count] of report.outcomes) outcomes.set(outcome, (outcomes.get(outcome) ?? 0) + count);
    if (report.violation === null) continue;
    failed += 1;
    say(failureOf(report));
    if (!values.go) break;
  }
  say(`${rollouts} rollouts, ${failed} failing worlds; ended: ${JSON.stringify(Object.fromEntries(outcomes))}`);
  Deno.exitCode = failed > 0 ? 1 : 0;
}
