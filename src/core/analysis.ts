/** One round of judging: which checks count, what they come to, and what they add to the rollout's memory. */
import type { AnalysisSpec, Inconclusive } from "./canary.ts";
import type { Evidence } from "./decision.ts";
import type { Answers, CheckResult } from "./observation.ts";
import type { Run } from "./state.ts";

export type Verdict =
  | { readonly type: "passed" }
  | { readonly type: "failed"; readonly message: string; readonly inconclusive: boolean; readonly critical: boolean }
  /** Nothing can be said, and the user wants to wait in that case. */
  | { readonly type: "held"; readonly message: string };

/**
 * Whether the series of its metrics must exist before the first share. Only of built-in queries it is known what they are
 * made of; and with a rollout hook, which may be a load test, the first share may be what the first request comes with.
 */
export function needsSeries({ metrics, onNoData, webhooks }: AnalysisSpec): boolean {
  const known = metrics.some(({ source, dryRun }) => source.type === "builtin" && !dryRun);
  return known && onNoData !== "pass" && !webhooks.some(({ type }) => type === "rollout");
}

/** Answers that say a rollout hook's outcome as a check. */
function hookChecks(answers: Answers): readonly CheckResult[] {
  const answer = answers.hooks.rollout;
  if (answer === undefined || answer.type === "open") return [];
  const message = `check ${answer.hook} failed: ${answer.reason}`;
  const outcome = answer.type === "closed" ? "failed" : "inconclusive";
  return [{ name: answer.hook, outcome, value: null, message, noData: false, critical: false, dryRun: false }];
}

function meaning(analysis: AnalysisSpec, check: CheckResult): Inconclusive {
  return check.noData ? analysis.onNoData : analysis.onInconclusive;
}

/** The first check that stands in the way decides, hooks before metrics, as in Flagger; dry runs are only shown. */
export function judgeRound(analysis: AnalysisSpec, answers: Answers): Verdict {
  const checks = [...hookChecks(answers), ...(answers.metrics ?? [])].filter((check) => !check.dryRun);
  const failed = checks.filter((check) => check.outcome === "failed");
  const first = failed[0];
  if (first !== undefined) {
    const critical = failed.some((check) => check.critical);
    return { type: "failed", message: first.message, inconclusive: false, critical };
  }
  const unsure = checks.find((check) => check.outcome === "inconclusive" && meaning(analysis, check) !== "pass");
  if (unsure === undefined) return { type: "passed" };
  switch (meaning(analysis, unsure)) {
    case "pass":
      return { type: "passed" };
    case "hold":
      return { type: "held", message: unsure.message };
    case "fail":
      return { type: "failed", message: unsure.message, inconclusive: true, critical: false };
  }
}

/** The newest evidence by name, at most 50 names. */
export function gather(evidence: readonly Evidence[], answers: Answers, now: number): readonly Evidence[] {
  const byName = new Map(evidence.map((entry) => [entry.name, entry]));
  for (const check of [...hookChecks(answers), ...(answers.metrics ?? [])]) {
    const { name, outcome, value, message } = check;
    byName.delete(name);
    byName.set(name, { name, outcome, value, message, at: now });
  }
  return [...byName.values()].slice(-50);
}

/** Counters after a verdict. Consecutive counting starts again after a round that passed. */
export function count(run: Run, verdict: Verdict): Pick<Run, "failedChecks" | "inconclusiveChecks"> {
  const { failedChecks, inconclusiveChecks } = run;
  const { threshold, failureCounting } = run.canary.analysis;
  switch (verdict.type) {
    case "held":
      return { failedChecks, inconclusiveChecks };
    case "passed":
      return failureCounting === "consecutive"
        ? { failedChecks: 0, inconclusiveChecks: 0 }
        : { failedChecks, inconclusiveChecks };
    case "failed":
      return {
        failedChecks: verdict.critical ? Math.max(threshold, failedChecks + 1) : failedChecks + 1,
        inconclusiveChecks: inconclusiveChecks + (verdict.inconclusive ? 1 : 0),
      };
  }
}

/** The longest window of any metric, milliseconds: a rollout after another waits this long at weight 0. */
export function longestWindowMs(analysis: AnalysisSpec): number {
  return Math.max(0, ...analysis.metrics.map((metric) => metric.windowMs));
}
