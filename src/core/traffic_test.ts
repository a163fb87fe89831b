/** Moves that several phases share, row by row. */
import { deepEqual, equal } from "node:assert/strict";
import {
  aPrimary,
  aWorkload,
  NEW,
  NOW,
  OLD,
  rollingOut,
  type SituationOptions,
} from "../../test/support/core_builders.ts";
import { canaryFrom } from "../../test/support/scenario_canary.ts";
import type { Action } from "./action.ts";
import type { RunTurn } from "./turn.ts";
import {
  fenceActions,
  repairActions,
  routeActions,
  routesObserved,
  routesOf,
  settleLeftMs,
  shareActions,
  steadyRoutes,
  targetToZero,
  unfenceActions,
  unfenceServing,
} from "./traffic.ts";

function turnOf(options: SituationOptions = {}): RunTurn {
  const { state, seen } = rollingOut("progressing", options);
  if (state.run === null) throw new Error("There is no rollout");
  return { canary: state.run.canary, state, seen, now: NOW, run: state.run };
}

const types = (actions: readonly Action[]) => actions.map(({ type }) => type);
const routes = { exists: true, weight: 20, mirror: false, accepted: "yes" as const, reason: null, drifted: false };

for (
  const [name, live, agree, observed] of [
    ["as wanted", routes, true, true],
    ["another weight", { ...routes, weight: 0 }, false, false],
    ["a mirror", { ...routes, mirror: true }, false, false],
    ["no route", { ...routes, exists: false }, false, false],
    ["a field of ours changed", { ...routes, drifted: true }, false, false],
    ["not looked at yet", { ...routes, accepted: "unknown" as const }, true, false],
    ["refused", { ...routes, accepted: "no" as const }, true, false],
  ] as const
) {
  Deno.test(`routes ${name}: agree ${agree}, observed ${observed}`, () => {
    const turn = turnOf({ seen: { cluster: { routes: live } } });
    const wanted = routesOf(turn, turn.run);
    deepEqual([routeActions(turn, wanted).length === 0, routesObserved(turn, wanted)], [agree, observed]);
  });
}

Deno.test("a router that splits nothing is asked for nothing, and has nothing to settle", () => {
  const canary = canaryFrom(["kubernetes", "blue-green=3"]);
  const turn = turnOf({
    canary,
    weight: 0,
    run: { routedAt: NOW },
    seen: { cluster: { routes: { ...routes, exists: false } } },
  });
  deepEqual(routeActions(turn, steadyRoutes(turn)), []);
  equal(routesObserved(turn, steadyRoutes(turn)), true);
  equal(settleLeftMs(turn), 0);
});

Deno.test("settleLeftMs() counts from when the routes were seen, and for ever while they are not", () => {
  equal(settleLeftMs(turnOf({ run: { routedAt: NOW - 4_000 } })), 6_000);
  equal(settleLeftMs(turnOf({ run: { routedAt: NOW - 60_000 } })), 0);
  equal(settleLeftMs(turnOf({ run: { routedAt: null } })), Number.POSITIVE_INFINITY);
});

Deno.test("routesOf() sets the cookie with a share, and expires it without one", () => {
  const cookies = { canary: "shop=abc", previous: "shop=old", primary: "shop-primary=xyz" };
  const canary = canaryFrom(["affinity"]);
  const on = turnOf({ canary, run: { cookies } });
  deepEqual(routesOf(on, on.run).cookies, cookies);
  const off = turnOf({ canary, run: { cookies, weight: 0 } });
  deepEqual(routesOf(off, off.run).cookies, { canary: null, previous: "shop=abc", primary: "shop-primary=xyz" });
});

for (
  const [name, cluster, want] of [
    ["nothing wrong", {}, []],
    ["the primary is gone", { primary: { ...aPrimary(), exists: false } }, ["apply-primary"]],
    ["the primary runs something else", { primary: aPrimary(NEW) }, ["apply-primary"]],
    ["a field of the primary changed", { primaryDrifted: true }, ["apply-primary"]],
    ["the primary is being deleted", { primary: aPrimary(NEW, { deleting: true }) }, []],
    ["the apex points at the target", { apex: "target" as const }, ["apply-services"]],
    ["the apex points at the target and no primary pod is ready", {
      apex: "target" as const,
      primary: aPrimary(OLD, { ready: 0 }),
    }, []],
    ["a derived Service changed", { servicesReady: false }, ["apply-services"]],
  ] as const
) {
  Deno.test(`repairActions() ${name}: ${want.join() || "nothing"}`, () => {
    deepEqual(types(repairActions(turnOf({ seen: { cluster } }))), want);
  });
}

Deno.test("repairActions() brings the primary's scaler back outside a rollout only", () => {
  const during = turnOf({ seen: { cluster: { primaryScalerDrifted: true } } });
  deepEqual(repairActions(during), []);
  deepEqual(repairActions({ ...during, state: { ...during.state, run: null } }), [{
    type: "floor-primary",
    floor: null,
  }]);
});

Deno.test("repairActions() keeps the scaler's floor while a rollout runs", () => {
  const [action] = repairActions(turnOf({ seen: { cluster: { primaryDrifted: true } } }));
  equal(action?.type === "apply-primary" && action.floor, 4);
});

for (
  const [name, weight, ready, want] of [
    ["a share that is there stays", 20, 0, []],
    ["a share that was lost comes back to pods that are ready", 0, 1, ["route"]],
    ["a share that was lost does not come back to pods that are not", 0, 0, []],
    ["a share that is too large goes down whatever the pods", 60, 0, ["route"]],
  ] as const
) {
  Deno.test(`shareActions() ${name}`, () => {
    const cluster = { routes: { ...routes, weight }, target: aWorkload(NEW, 1, { ready }) };
    deepEqual(types(shareActions(turnOf({ seen: { cluster } }))), want);
  });
}

Deno.test("shareActions() raises nothing on a target that is not fenced, and takes back whatever the fence", () => {
  for (const [weight, want] of [[0, []], [60, ["route"]]] as const) {
    const cluster = { fenceNeeded: true, routes: { ...routes, weight }, target: aWorkload(NEW, 4) };
    deepEqual(types(shareActions(turnOf({ seen: { cluster } }))), want);
  }
});

for (
  const [name, cluster, want] of [
    ["no engine needs it", {}, []],
    ["it is missing", { fenceNeeded: true }, ["fence"]],
    ["it is on", { fenceNeeded: true, fence: "ours" as const, fenceRun: "run0000001" }, []],
    ["it is of another rollout of ours", { fenceNeeded: true, fence: "ours" as const, fenceRun: "earlier" }, ["fence"]],
    ["it is somebody else's", { fenceNeeded: true, fence: "foreign" as const }, []],
  ] as const
) {
  Deno.test(`fenceActions() ${name}: ${want.join() || "nothing"}`, () => {
    deepEqual(types(fenceActions(turnOf({ seen: { cluster } }))), want);
  });
}

Deno.test("unfenceActions() takes off what is ours, never what is not", () => {
  for (const [fence, want] of [["none", []], ["ours", ["unfence"]], ["foreign", []]] as const) {
    deepEqual(types(unfenceActions(turnOf({ seen: { cluster: { fence } } }))), want, fence);
  }
});

Deno.test("unfenceActions() waits for the engine with what left Git, then has it deleted; never what users are on", () => {
  const refs = [{ apiVersion: "v1", kind: "ConfigMap", namespace: "prod", name: "shop" }];
  const cluster = { fence: "ours", leaving: { refs, applied: false } } as const;
  deepEqual(unfenceActions(turnOf({ seen: { cluster } })), []);
  // It may never apply anything while the fence is on.
  const heldUp = turnOf({ seen: { cluster: { ...cluster, heldUp: "Later sync waves wait." } } });
  deepEqual(unfenceActions(heldUp), [{ type: "unfence", gone: refs }]);
  const applied = turnOf({ seen: { cluster: { ...cluster, leaving: { refs, applied: true } } } });
  deepEqual(unfenceActions(applied), [{ type: "unfence", gone: refs }]);
  deepEqual(unfenceServing(applied), [{ type: "unfence", gone: [] }]);
});

Deno.test("targetToZero() scales what is there and not at zero", () => {
  deepEqual(targetToZero(turnOf({ seen: { cluster: { target: aWorkload(NEW, 2) } } })), [{
    type: "scale-target",
    replicas: 0,
  }]);
  deepEqual(targetToZero(turnOf({ seen: { cluster: { target: aWorkload(NEW, 0) } } })), []);
});
