/** What must be asked of outside systems before a step, because the phase needs it and the time has come. */
import { needsSeries } from "./analysis.ts";
import type { Canary, WebhookType } from "./canary.ts";
import type { Gate } from "./decision.ts";
import type { Question } from "./observation.ts";
import type { Run, State } from "./state.ts";

export function questions(state: State, now: number): readonly Question[] {
  const { run } = state;
  if (run === null || now < run.nextCheckAt) return urgent(state);
  const frozen = state.suspended || state.paused !== null;
  switch (state.phase) {
    case "initialising":
    case "handing-back":
      return run.stage === "comparing" ? [{ type: "compare", release: run.release }] : [];
    case "waiting":
      return frozen ? [] : gate(run, "confirm-rollout");
    case "starting":
      return frozen ? [] : starting(run);
    case "progressing":
    case "waiting-promotion":
      return frozen ? [] : progressing(run);
    case "pushing":
      return frozen || run.canary.skipAnalysis ? [] : round(run.canary);
    case "new":
    case "idle":
    case "promoting":
    case "finalising":
    case "rolling-back":
    case "reverting":
    case "restoring":
    case "released":
      return [];
  }
}

/** The gate before the promotion is asked as soon as the checks have passed, whatever the interval. */
function urgent(state: State): readonly Question[] {
  const { run } = state;
  if (run === null || state.suspended || state.paused !== null) return [];
  if (state.phase !== "progressing" && state.phase !== "waiting-promotion") return [];
  if (run.stage === "promotion-gate") return gate(run, "confirm-promotion");
  return run.stage === "gate" && run.weight > 0 ? gate(run, "confirm-traffic-increase") : [];
}

function hooked(canary: Canary, type: WebhookType): boolean {
  return canary.analysis.webhooks.some((hook) => hook.type === type);
}

function gate(run: Run, name: Gate): readonly Question[] {
  if (run.openGates.includes(name) || !hooked(run.canary, name)) return [];
  return [{ type: "hooks", hooks: name, gate: name }];
}

function starting(run: Run): readonly Question[] {
  if (run.stage === "comparing") return [{ type: "compare", release: run.release }];
  if (run.stage !== "pre-rollout") return [];
  const due = !run.preRolloutPassed && hooked(run.canary, "pre-rollout");
  const series: readonly Question[] = needsSeries(run.canary.analysis) ? [{ type: "series" }] : [];
  // Hooks first: a first request of theirs may be what a series begins with.
  return due ? [{ type: "hooks", hooks: "pre-rollout", gate: null }, ...series] : series;
}

function progressing(run: Run): readonly Question[] {
  switch (run.stage) {
    case "check":
      return round(run.canary);
    case "capacity":
      // Pods of the next share may be long in coming: the present one is not left unwatched.
      return run.weight > 0 || run.mirror ? round(run.canary) : [];
    case "gate":
      return gate(run, "confirm-traffic-increase");
    case "promotion-gate":
      return gate(run, "confirm-promotion");
    default:
      return [];
  }
}

/** One round of the analysis. */
function round(canary: Canary): readonly Question[] {
  const hooks = (["rollback", "rollout"] as const).filter((type) => hooked(canary, type));
  return [...hooks.map((type) => ({ type: "hooks" as const, hooks: type, gate: null })), { type: "metrics" }];
}
