/** What is asked of outside systems: only what the phase needs, and only when its time has come. */
import { deepEqual } from "node:assert/strict";
import { aHook, aRun, aState, MINUTE, NOW, shop } from "../../test/support/core_builders.ts";
import { PHASES, STAGES } from "../../test/support/arbitrary_core.ts";
import { canaryFrom } from "../../test/support/scenario_canary.ts";
import type { WebhookType } from "./canary.ts";
import type { Gate } from "./decision.ts";
import { questions } from "./questions.ts";
import type { Phase, Run, Stage, State } from "./state.ts";

const ALL: readonly WebhookType[] = [
  "confirm-rollout",
  "pre-rollout",
  "rollout",
  "confirm-traffic-increase",
  "confirm-promotion",
  "post-rollout",
  "rollback",
  "event",
];

const hooked = shop({ analysis: { webhooks: ALL.map((type) => aHook(type)) } });

function asked(phase: Phase, stage: Stage, run: Partial<Run> = {}, state: Partial<State> = {}): readonly string[] {
  const full = aState({ phase, run: aRun({ canary: hooked, stage, ...run }), ...state });
  return questions(full, NOW).map((question) => question.type === "hooks" ? question.hooks : question.type);
}

const ROUND = ["rollback", "rollout", "metrics"];

for (
  const [phase, stage, want] of [
    ["waiting", "applying", ["confirm-rollout"]],
    ["initialising", "comparing", ["compare"]],
    ["initialising", "scaling", []],
    ["starting", "applying", []],
    ["starting", "scaling", []],
    ["starting", "comparing", ["compare"]],
    ["starting", "fencing", []],
    ["starting", "pre-rollout", ["pre-rollout"]],
    ["progressing", "gate", ["confirm-traffic-increase"]],
    ["progressing", "capacity", []],
    ["progressing", "routing", []],
    ["progressing", "check", ROUND],
    ["progressing", "promotion-gate", ["confirm-promotion"]],
    ["waiting-promotion", "check", ROUND],
    ["waiting-promotion", "promotion-gate", ["confirm-promotion"]],
    ["pushing", "check", ROUND],
    ["handing-back", "comparing", ["compare"]],
  ] as const
) {
  Deno.test(`questions() in ${phase}/${stage}: ${want.join(", ") || "nothing"}`, () => {
    deepEqual(asked(phase, stage), want);
  });
}

for (
  const phase of [
    "new",
    "idle",
    "promoting",
    "finalising",
    "rolling-back",
    "reverting",
    "restoring",
    "released",
  ] as const
) {
  Deno.test(`questions() in ${phase}: nothing, whatever the stage`, () => {
    for (const stage of STAGES) deepEqual(asked(phase, stage), [], stage);
  });
}

Deno.test("questions() keeps checking while pods of the next share are awaited, and only then", () => {
  deepEqual(asked("progressing", "capacity", { weight: 20 }), ROUND);
  deepEqual(asked("progressing", "capacity", { mirror: true }), ROUND);
});

Deno.test("questions() asks nothing before its time, but for the gates that follow a round that passed", () => {
  const early = { nextCheckAt: NOW + MINUTE, weight: 20 };
  const urgent = new Map<string, readonly string[]>([
    ["progressing/gate", ["confirm-traffic-increase"]],
    ["progressing/promotion-gate", ["confirm-promotion"]],
    ["waiting-promotion/gate", ["confirm-traffic-increase"]],
    ["waiting-promotion/promotion-gate", ["confirm-promotion"]],
  ]);
  for (const phase of PHASES) {
    for (const stage of STAGES) {
      deepEqual(asked(phase, stage, early), urgent.get(`${phase}/${stage}`) ?? [], `${phase}/${stage}`);
    }
  }
});

Deno.test("questions() asks no hook and no metric while suspended or paused", () => {
  const paused = { paused: { by: "robin", at: NOW, reason: "" } };
  for (const frozen of [paused, { suspended: true }]) {
    for (const phase of PHASES) {
      for (const stage of STAGES) {
        deepEqual(
          asked(phase, stage, {}, frozen).filter((question) => question !== "compare"),
          [],
          `${phase}/${stage}`,
        );
      }
    }
  }
});

Deno.test("questions() asks no gate that a person opened", () => {
  const open = (gate: Gate) => ({ openGates: [gate] });
  deepEqual(asked("waiting", "applying", open("confirm-rollout")), []);
  deepEqual(asked("progressing", "gate", open("confirm-traffic-increase")), []);
  deepEqual(asked("progressing", "promotion-gate", open("confirm-promotion")), []);
});

Deno.test("questions() repeats no hook with effects at a closed gate", () => {
  deepEqual(asked("progressing", "gate", { weight: 0 }), ["confirm-traffic-increase"]);
  deepEqual(asked("starting", "pre-rollout", { preRolloutPassed: true }), []);
});

Deno.test("questions() asks for series before the first share, after the hook that may send the first request", () => {
  const canary = canaryFrom(["window=1", "hooks=pre-rollout"]);
  deepEqual(asked("starting", "pre-rollout", { canary }), ["pre-rollout", "series"]);
  deepEqual(asked("starting", "pre-rollout", { canary, preRolloutPassed: true }), ["series"]);
  deepEqual(asked("starting", "fencing", { canary }), []);
});

Deno.test("questions() asks no hooks where the Canary has none, and no checks where the analysis is skipped", () => {
  const bare = shop();
  deepEqual(asked("waiting", "applying", { canary: bare }), []);
  deepEqual(asked("starting", "pre-rollout", { canary: bare }), []);
  deepEqual(asked("progressing", "check", { canary: bare }), ["metrics"]);
  deepEqual(asked("pushing", "check", { canary: shop({ skipAnalysis: true }) }), []);
});
