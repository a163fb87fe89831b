/** How traffic reaches the canary, decided once from `spec.analysis` and what the router can do. */
import type { RouterTraits, Strategy, Weight } from "../core/canary.ts";
import { at, type JsonObject, listAt, numberAt } from "../core/kube_object.ts";
import type { Complaints } from "./complaints.ts";
import { parseHttpMatch } from "./parse_service.ts";

/** Iterations of a canary whose router moves no traffic and whose spec names none, as in Flagger. */
const ITERATIONS_WITHOUT_TRAFFIC = 10;

/**
 * Steps from `stepWeight` up to `maxWeight`. The last one may go past the maximum, but not past 100: 20, 40, 60 for a
 * step of 20 and a maximum of 50, as in Flagger.
 *
 * @param stepWeight 1 to 100
 */
export function linearSteps(stepWeight: Weight, maxWeight: Weight): readonly Weight[] {
  const steps: Weight[] = [];
  // Whatever is given, this ends: it is asked about specs with errors too.
  const step = Math.max(1, Math.trunc(stepWeight));
  const last = Math.min(100, maxWeight);
  let weight = 0;
  while (weight < last) {
    weight = Math.min(100, weight + step);
    steps.push(weight);
  }
  return steps;
}

/** Decides, and complains about what cannot be done; the result is meaningless after an error. */
export function strategyOf(analysis: JsonObject, traits: RouterTraits, complaints: Complaints): Strategy {
  const match = listAt(analysis, "match").map(parseHttpMatch);
  const iterations = numberAt(analysis, "iterations") ?? 0;
  if (!traits.weights && !traits.match) return withoutTraffic(iterations, match.length, complaints);
  if (iterations > 0 && match.length === 0) return { type: "blue-green", iterations };
  if (iterations > 0) {
    if (at(analysis, "mirror") === true) {
      complaints.warn(["spec", "analysis", "mirror"], "Is left out: an A/B test mirrors nothing", 'Remove "mirror"');
    }
    return { type: "ab", iterations, match };
  }
  if (match.length > 0) {
    complaints.error(
      ["spec", "analysis", "match"],
      'An A/B test needs "iterations": with weights, "match" would send all matching requests to the canary at once',
      'Give "iterations" in place of steps, or remove "match"',
    );
  }
  const steps = stepsOf(analysis, complaints);
  return { type: "weights", steps, stepWeightPromotion: numberAt(analysis, "stepWeightPromotion") ?? 0 };
}

function withoutTraffic(iterations: number, matches: number, complaints: Complaints): Strategy {
  if (matches > 0) {
    complaints.warn(["spec", "analysis", "match"], "Is left out: this provider moves no traffic", 'Remove "match"');
  }
  if (iterations >= 1) return { type: "blue-green", iterations };
  complaints.warn(
    ["spec", "analysis"],
    `This provider moves no traffic: the canary is checked ${ITERATIONS_WITHOUT_TRAFFIC} times, then promoted`,
    'Give "iterations" in place of steps',
  );
  return { type: "blue-green", iterations: ITERATIONS_WITHOUT_TRAFFIC };
}

function stepsOf(analysis: JsonObject, complaints: Complaints): readonly Weight[] {
  const weights = listAt(analysis, "stepWeights").filter((weight) => typeof weight === "number");
  if (weights.length > 0) {
    const fix = "List weights from 1 to 100, each greater than the one before";
    for (const [index, weight] of weights.entries()) {
      const before = weights[index - 1] ?? 0;
      if (weight > before) continue;
      const reason = index === 0 ? "Must be 1 or more" : `Must be greater than the one before, which is ${before}`;
      complaints.error(["spec", "analysis", "stepWeights", index], `${reason}: current value is ${weight}`, fix);
    }
    return weights;
  }
  const stepWeight = numberAt(analysis, "stepWeight") ?? 0;
  if (stepWeight === 0) {
    const [field, reason] = analysis["stepWeight"] === undefined
      ? ["iterations", "Must be 1 or more: current value is 0"]
      : ["stepWeight", "Must be 1 to 100: current value is 0"];
    complaints.error(["spec", "analysis", field], reason, `Give ${field} a value`);
    return [];
  }
  // Flagger reads 0 as "not given".
  return linearSteps(stepWeight, numberAt(analysis, "maxWeight") || 100);
}
