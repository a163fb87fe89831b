/** Proxies hear of pods later than the API server: what waits for that, from when it counts, and what does not wait. */
import { deepEqual, equal } from "node:assert/strict";
import {
  aPrimary,
  aWorkload,
  NEW,
  NOW,
  OLD,
  OPEN,
  rollingOut,
  SECOND,
  type Situation,
  type SituationOptions,
} from "../../test/support/core_builders.ts";
import { stepped } from "../../test/support/phase_case.ts";
import { canaryFrom } from "../../test/support/scenario_canary.ts";
import { PROXIES_FOLLOW_MS } from "./readiness.ts";
import type { Phase, Stage } from "./state.ts";

const routes = { exists: true, weight: 0, mirror: false, accepted: "yes" as const, reason: null, drifted: false };
const JUST_NOW = { readySince: null };

/** A rollout whose canary has its pods and no share. */
function first(options: SituationOptions & { readonly phase?: Phase } = {}): Situation {
  const { phase = "progressing", ...more } = options;
  return rollingOut(phase, {
    stage: "capacity",
    weight: 0,
    ...more,
    run: { nextWeight: 20, ...JUST_NOW, ...("run" in options ? options.run : {}) },
    seen: { cluster: { routes, target: aWorkload(NEW, 4), ...more.seen?.cluster } },
  });
}

for (
  const [name, options] of [
    ["weights", {}],
    ["a mirror", { canary: canaryFrom(["mirror", "weights=20,40"]), run: { nextWeight: 0, nextMirror: true } }],
    ["A/B", {
      canary: canaryFrom(["ab=3"]),
      run: { nextWeight: 100 },
    }],
    ["the switch of blue/green", {
      canary: canaryFrom(["blue-green=3"]),
      run: { nextWeight: 100, iterations: 3 },
    }],
  ] as const satisfies readonly (readonly [string, SituationOptions])[]
) {
  Deno.test(`${name}: a first share waits until proxies know pods that became ready just now`, () => {
    const at = first(options);
    const waiting = stepped(at);
    deepEqual([waiting.place, waiting.does, waiting.wakes], ["progressing/capacity", [], [NOW + PROXIES_FOLLOW_MS]]);
    equal(waiting.state.waitsFor, "Lets proxies learn of the canary's pods before its first share.");
    const early = stepped({ state: waiting.state, seen: at.seen }, NOW + PROXIES_FOLLOW_MS - 1);
    deepEqual([early.place, early.wakes], ["progressing/capacity", [NOW + PROXIES_FOLLOW_MS]]);
    const due = stepped({ state: waiting.state, seen: at.seen }, NOW + PROXIES_FOLLOW_MS);
    equal(due.place, "progressing/routing");
  });
}

Deno.test("pods that went away and came back are waited for anew", () => {
  const at = first({ run: { readySince: NOW - SECOND } });
  equal(stepped(at).place, "progressing/routing");
  const { state } = stepped(
    first({ run: { readySince: NOW - SECOND }, seen: { cluster: { target: aWorkload(NEW, 0) } } }),
  );
  equal(state.run?.readySince, null);
  const back = stepped({ state, seen: at.seen });
  deepEqual([back.state.run?.readySince, back.place], [NOW, "progressing/capacity"]);
});

Deno.test("the time counts from readiness, through comparison, fence and warm-up", () => {
  const target = aWorkload(NEW, 1, { revision: null });
  const up = first({ phase: "starting", stage: "scaling", seen: { cluster: { target } } });
  equal(stepped(up).state.run?.readySince, NOW);
  const warm = first({
    phase: "starting",
    stage: "pre-rollout",
    run: { readySince: NOW - SECOND },
    seen: { cluster: { target }, answers: { hooks: { "pre-rollout": OPEN } } },
  });
  equal(stepped(warm).state.run?.readySince, NOW - SECOND);
  const applying = first({ phase: "starting", stage: "applying", run: { readySince: NOW - SECOND } });
  equal(stepped(applying).state.run?.readySince, null, "pods of what is about to be replaced");
});

for (const stage of ["routing", "check"] as const satisfies readonly Stage[]) {
  Deno.test(`progressing/${stage}: a share that is not on waits for proxies, and is woken`, () => {
    const at = first({ stage, weight: 20, run: { nextWeight: 20 } });
    const next = stepped(at);
    deepEqual(next.does, []);
    equal(next.wakes.includes(NOW + PROXIES_FOLLOW_MS), true);
    const due = stepped({ state: next.state, seen: at.seen }, NOW + PROXIES_FOLLOW_MS);
    deepEqual(due.does, ["route 20"]);
  });
}

Deno.test("a later share and a router without proxies wait for nothing", () => {
  const later = first({
    weight: 20,
    run: { nextWeight: 40 },
    seen: { cluster: { routes: { ...routes, weight: 20 } } },
  });
  equal(stepped(later).place, "progressing/routing");
  const canary = canaryFrom(["kubernetes", "blue-green=3"]);
  equal(stepped(first({ canary, run: { nextWeight: 0 } })).place, "progressing/routing");
});

const back = (phase: Phase, options: SituationOptions = {}): Situation =>
  rollingOut(phase, {
    stage: "applying",
    weight: 50,
    ...options,
    run: { ...JUST_NOW, ...("run" in options ? options.run : {}) },
  });

Deno.test("the primary of a promotion is given the traffic when proxies know its pods", () => {
  const at = back("promoting");
  const waiting = stepped(at);
  deepEqual([waiting.does, waiting.wakes, waiting.state.run?.weight], [[], [NOW + PROXIES_FOLLOW_MS], 50]);
  equal(waiting.state.waitsFor, "Lets proxies learn of the primary's pods before traffic goes back to them.");
  equal(waiting.state.lastTrafficAt, NOW);
  deepEqual(stepped({ state: waiting.state, seen: at.seen }, NOW + PROXIES_FOLLOW_MS).does, ["route 0"]);
});

Deno.test("what was known of the canary's pods says nothing of the primary's", () => {
  const { state, seen } = back("promoting", { run: { readySince: NOW - 60 * SECOND } });
  const entered = stepped({ state: { ...state, phaseSince: NOW }, seen });
  deepEqual([entered.does, entered.state.run?.readySince], [[], NOW]);
});

Deno.test("the previous release, restored, is given the traffic when proxies know its pods", () => {
  const cluster = { primary: aPrimary(OLD), routes: { ...routes, weight: 50 } };
  const at = back("restoring", { seen: { cluster } });
  const restored: Situation = { ...at, state: { ...at.state, lock: at.state.run?.previous ?? at.state.lock } };
  const revision = restored.state.lock?.release.revision ?? null;
  const seen = { ...at.seen, cluster: { ...at.seen.cluster, primary: { ...at.seen.cluster.primary, revision } } };
  const waiting = stepped({ state: restored.state, seen });
  deepEqual([waiting.does.filter((one) => one.startsWith("route")), waiting.state.run?.weight], [[], 50]);
  const due = stepped({ state: waiting.state, seen }, NOW + PROXIES_FOLLOW_MS);
  deepEqual(due.does.filter((one) => one.startsWith("route")), ["route 0"]);
});

Deno.test("traffic that goes back from a canary that failed waits for nothing", () => {
  const at = back("rolling-back", { weight: 0, seen: { cluster: { routes: { ...routes, weight: 50 } } } });
  deepEqual(stepped(at).does, ["route 0"]);
});

Deno.test("a primary without a pod is relieved at once", () => {
  const cluster = {
    primary: aPrimary(NEW, { ready: 0, available: 0 }),
    routes: { ...routes, weight: 50 },
    target: aWorkload(NEW, 4),
  };
  deepEqual(stepped(back("promoting", { seen: { cluster } })).does, ["route 100"]);
});
