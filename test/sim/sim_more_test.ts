/** The crash simulation, second half of its seeds: a file of its own, so that it runs beside the first. */
import { holdInvariants } from "./seeds.ts";

Deno.test("the second 1,000 rollouts of a run keep every invariant", () => holdInvariants(1));
