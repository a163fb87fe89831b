/** One round of judging, and what it adds to the rollout's memory. */
import { deepEqual, equal } from "node:assert/strict";
import { aCheck, aRun, closed, MINUTE, NOW, OPEN, shop, unknown } from "../../test/support/core_builders.ts";
import { canaryFrom } from "../../test/support/scenario_canary.ts";
import { count, gather, judgeRound, longestWindowMs, needsSeries, type Verdict } from "./analysis.ts";
import type { AnalysisSpec } from "./canary.ts";
import { type Answers, NO_ANSWERS } from "./observation.ts";

const answers = (parts: Partial<Answers>): Answers => ({ ...NO_ANSWERS, metrics: [], ...parts });
const noData = aCheck("inconclusive", { noData: true });
const silent = aCheck("inconclusive");

type Row = readonly [name: string, analysis: Partial<AnalysisSpec>, answers: Answers, want: Verdict["type"]];

const ROWS: readonly Row[] = [
  ["nothing to check", {}, answers({}), "passed"],
  ["all passed", {}, answers({ metrics: [aCheck(), aCheck()] }), "passed"],
  ["one failed", {}, answers({ metrics: [aCheck(), aCheck("failed")] }), "failed"],
  ["a failed dry run is only shown", {}, answers({ metrics: [aCheck("failed", { dryRun: true })] }), "passed"],
  ["inconclusive fails by default, as in Flagger", {}, answers({ metrics: [silent] }), "failed"],
  ["inconclusive, told to hold", { onInconclusive: "hold" }, answers({ metrics: [silent] }), "held"],
  ["inconclusive, told to pass", { onInconclusive: "pass" }, answers({ metrics: [silent] }), "passed"],
  ["no data fails by default", {}, answers({ metrics: [noData] }), "failed"],
  ["no data, told to pass", { onNoData: "pass" }, answers({ metrics: [noData] }), "passed"],
  ["no data does not follow onInconclusive", { onInconclusive: "pass" }, answers({ metrics: [noData] }), "failed"],
  [
    "a failure weighs more than a hold",
    { onInconclusive: "hold" },
    answers({ metrics: [silent, aCheck("failed")] }),
    "failed",
  ],
  [
    "a lenient check does not hide a strict one",
    { onNoData: "pass" },
    answers({ metrics: [noData, silent] }),
    "failed",
  ],
  ["a rollout hook that passed", {}, answers({ hooks: { rollout: OPEN } }), "passed"],
  ["a rollout hook that failed", {}, answers({ hooks: { rollout: closed("load") } }), "failed"],
  [
    "a rollout hook without an answer is inconclusive",
    { onInconclusive: "hold" },
    answers({ hooks: { rollout: unknown("load") } }),
    "held",
  ],
];

for (const [name, analysis, given, want] of ROWS) {
  Deno.test(`judgeRound() ${name}: ${want}`, () => {
    equal(judgeRound({ ...shop().analysis, ...analysis }, given).type, want);
  });
}

for (
  const [name, words, want] of [
    ["a built-in metric", [], true],
    ["no metric", ["no"], false],
    ["no data is no harm", ["on-no-data=pass"], false],
    ["a pre-rollout hook comes before it", ["hooks=pre-rollout"], true],
    ["a load test comes with the share", ["hooks=rollout"], false],
  ] as const
) {
  Deno.test(`needsSeries() ${name}: ${want}`, () => {
    const { analysis } = canaryFrom(name === "no metric" ? [] : ["window=1", ...words]);
    equal(needsSeries(analysis), want);
    const shown = analysis.metrics.map((metric) => ({ ...metric, dryRun: true }));
    equal(needsSeries({ ...analysis, metrics: shown }), false, "a dry run decides nothing");
  });
}

Deno.test("judgeRound() names the hook before the metric, as Flagger does", () => {
  const verdict = judgeRound(
    shop().analysis,
    answers({ hooks: { rollout: closed("load") }, metrics: [aCheck("failed")] }),
  );
  deepEqual(verdict, {
    type: "failed",
    message: "check load failed: it said no",
    inconclusive: false,
    critical: false,
  });
});

Deno.test("judgeRound() says when nothing failed for certain, and when a critical metric did", () => {
  const unsure = judgeRound(shop().analysis, answers({ metrics: [silent] }));
  equal(unsure.type === "failed" && unsure.inconclusive, true);
  const critical = judgeRound(
    shop().analysis,
    answers({ metrics: [aCheck("failed"), aCheck("failed", { critical: true })] }),
  );
  equal(critical.type === "failed" && critical.critical, true);
});

const FAILED: Verdict = { type: "failed", message: "", inconclusive: false, critical: false };

for (
  const [name, counting, failed, verdict, want] of [
    ["a failure counts", "cumulative", 1, FAILED, [2, 0]],
    ["an inconclusive one counts as both", "cumulative", 1, { ...FAILED, inconclusive: true }, [2, 1]],
    ["a critical one reaches the threshold", "cumulative", 0, { ...FAILED, critical: true }, [3, 0]],
    ["a critical one beyond the threshold counts on", "cumulative", 5, { ...FAILED, critical: true }, [6, 0]],
    ["a pass keeps what was counted cumulatively", "cumulative", 2, { type: "passed" }, [2, 0]],
    ["a pass clears what was counted consecutively", "consecutive", 2, { type: "passed" }, [0, 0]],
    ["a hold changes nothing", "consecutive", 2, { type: "held", message: "" }, [2, 0]],
  ] as const
) {
  Deno.test(`count() ${name}`, () => {
    const run = aRun({ canary: shop({ analysis: { failureCounting: counting } }), failedChecks: failed });
    const { failedChecks, inconclusiveChecks } = count(run, verdict);
    deepEqual([failedChecks, inconclusiveChecks], want);
  });
}

Deno.test("gather() keeps the newest word of each check, at most 50", () => {
  const before = Array.from({ length: 50 }, (_, index) => ({
    name: `check-${index}`,
    outcome: "passed" as const,
    value: 1,
    message: "",
    at: NOW - 1,
  }));
  const kept = gather(
    before,
    answers({ metrics: [aCheck("failed", { name: "check-7" }), aCheck("passed", { name: "new" })] }),
    NOW,
  );
  equal(kept.length, 50);
  equal(kept.filter(({ name }) => name === "check-7").length, 1);
  deepEqual(kept.at(-2), {
    name: "check-7",
    outcome: "failed",
    value: 90,
    message: "success rate 90.00% < 99%",
    at: NOW,
  });
  equal(kept.at(-1)?.name, "new");
  equal(kept[0]?.name, "check-1");
});

Deno.test("longestWindowMs() is 0 without metrics, else the longest", () => {
  equal(longestWindowMs(shop().analysis), 0);
  const [short] = canaryFrom(["window=2"]).analysis.metrics;
  const [long] = canaryFrom(["window=5"]).analysis.metrics;
  if (short === undefined || long === undefined) throw new Error("The canary has no metric");
  equal(longestWindowMs({ ...shop().analysis, metrics: [short, long, short] }), 5 * MINUTE);
});
