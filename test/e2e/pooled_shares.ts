/** Whether users got the shares that were reported: one test over all steps of all suites of a run. */
import { at, numberAt, stringAt } from "../../src/core/kube_object.ts";
import type { PooledCheck } from "./suite.ts";
import { chiSquared, chiSquaredLimit, isSplit, type Share, shareTold } from "./shares.ts";

/** The kind under which suites leave their shares: each time an array of `Share`. */
export const SHARES = "shares";

export const pooledShares: PooledCheck = {
  kind: SHARES,
  name: "users got the shares that were reported, all steps together (chi-squared, p > 0.001)",
  repeats: true,
  check(left, isWhole) {
    const shares = left.flatMap((value) => Array.isArray(value) ? value.map(parseShare) : [parseShare(value)]);
    const { value, degrees } = chiSquared(shares);
    if (degrees === 0) {
      if (isWhole) throw new Error("no suite left a share");
      return "no suite that measures shares has run";
    }
    const figure = `chi-squared ${value.toFixed(2)} with ${degrees} degrees of freedom, limit ${
      chiSquaredLimit(degrees).toFixed(2)
    }`;
    if (value <= chiSquaredLimit(degrees)) return figure;
    throw new Error(
      `${figure}: ${shares.filter(isSplit).map((share) => `${share.of} ${shareTold(share)}`).join(", ")}`,
    );
  },
};

/** @throws {Error} a suite left something else */
function parseShare(value: unknown): Share {
  const [of, weight, answers, canary] = [
    stringAt(value, "of"),
    numberAt(value, "weight"),
    numberAt(value, "answers"),
    numberAt(value, "canary"),
  ];
  if (of === undefined || weight === undefined || answers === undefined || canary === undefined) {
    throw new Error(`Cannot read a share: ${JSON.stringify(at(value))}`);
  }
  return { of, weight, answers, canary };
}
