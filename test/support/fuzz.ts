/**
 * Properties of what comes from outside, run for a bounded time on new input each time; the seed is printed with what was
 * tried, so that any run can be had again: `deno test FILE -- --seed N`.
 */
import { fail } from "node:assert/strict";
import fc from "fast-check";

/** Time for one property; a run that has begun is ended. */
const TIME_MS = 1_500;
const RUNS_MAX = 100_000;

/** Declares a test that holds a property on as much input as its time allows. */
export function fuzz<T>(name: string, property: fc.IAsyncPropertyWithHooks<T> | fc.IPropertyWithHooks<T>): void {
  Deno.test(name, async () => {
    const seed = seedOf(Deno.args);
    const details = await fc.check(property as fc.IAsyncPropertyWithHooks<T>, {
      numRuns: RUNS_MAX,
      interruptAfterTimeLimit: TIME_MS,
      markInterruptAsFailure: false,
      ...(seed === undefined ? {} : { seed }),
    });
    say(`fuzz: ${name}: seed ${details.seed}, ${details.numRuns} runs\n`);
    if (details.failed) fail(await fc.asyncDefaultReportMessage(details));
    if (details.numRuns === 0) fail("not one input was tried: the property is slower than its time allows");
  });
}

function seedOf(args: readonly string[]): number | undefined {
  const at = args.indexOf("--seed");
  const seed = Number(at === -1 ? undefined : args[at + 1]);
  return Number.isSafeInteger(seed) ? seed : undefined;
}

function say(text: string): void {
  Deno.stderr.writeSync(new TextEncoder().encode(text));
}
