/** The plan of a rollout: its budgets hold in every state it can reach, and it ends. */
import assert from "node:assert/strict";
import fc from "fast-check";
import type { KubeObject } from "../../core/kube_object.ts";
import { budgets, planRollout, planScaling, type Sizes } from "./rollout_plan.ts";

function deployment(
  replicas: number,
  maxSurge: number | string,
  maxUnavailable: number | string,
  type = "RollingUpdate",
): KubeObject {
  return {
    apiVersion: "apps/v1",
    kind: "Deployment",
    metadata: { name: "shop" },
    spec: {
      replicas,
      strategy: { type, ...(type === "Recreate" ? {} : { rollingUpdate: { maxSurge, maxUnavailable } }) },
    },
  };
}

const sizes = (name: string, replicas: number, available = replicas): Sizes => ({
  name,
  replicas,
  available,
  pods: replicas,
  desired: replicas,
});

Deno.test("budgets() rounds surge up and unavailability down, and never leaves both at zero", () => {
  const rows = [
    [4, "25%", "25%", 1, 1],
    [10, "25%", "25%", 3, 2],
    [1, "25%", "25%", 1, 0],
    [3, 0, "10%", 0, 1],
    [2, 1, 0, 1, 0],
  ] as const;
  for (const [replicas, maxSurge, maxUnavailable, surge, unavailable] of rows) {
    assert.deepEqual(budgets(deployment(replicas, maxSurge, maxUnavailable)), { surge, unavailable }, `${replicas}`);
  }
});

Deno.test("planRollout() waits for the old pods to go when it recreates", () => {
  const recreate = deployment(2, 0, 0, "Recreate");
  assert.deepEqual([...planRollout(recreate, sizes("new", 0), [sizes("old", 2)]).scale], [["old", 0]]);
  assert.deepEqual([...planRollout(recreate, sizes("new", 0), [{ ...sizes("old", 0), pods: 1 }]).scale], []);
  assert.deepEqual([...planRollout(recreate, sizes("new", 0), [sizes("old", 0)]).scale], [["new", 2]]);
});

Deno.test("planRollout() takes unhealthy old pods first", () => {
  const plan = planRollout(deployment(3, 1, 1), sizes("new", 1, 1), [sizes("old", 3, 2)]);
  assert.deepEqual([...plan.scale], [["old", 1]]);
});

Deno.test("planRollout() keeps its budgets and ends, whatever gets available when", () => {
  fc.assert(fc.property(
    fc.integer({ min: 1, max: 12 }),
    fc.constantFrom<number | string>(0, 1, 3, "25%", "100%"),
    fc.constantFrom<number | string>(0, 1, 2, "25%", "50%"),
    fc.infiniteStream(fc.boolean()),
    (replicas, maxSurge, maxUnavailable, ready) => {
      const wanted = deployment(replicas, maxSurge, maxUnavailable);
      const { surge, unavailable } = budgets(wanted);
      let young = sizes("new", 0);
      let old = sizes("old", replicas);
      for (let turn = 0; turn < 500; turn++) {
        const { scale } = planRollout(wanted, young, [old]);
        const newSize = scale.get("new") ?? young.replicas;
        const oldSize = scale.get("old") ?? old.replicas;
        // A pod gets ready now and then; in the end all do.
        const comes = turn > 400 || ready.next().value === true ? 1 : 0;
        young = { ...sizes("new", newSize), available: Math.min(newSize, young.available + comes) };
        old = { ...sizes("old", oldSize), available: Math.min(oldSize, old.available) };
        assert.ok(newSize + oldSize <= replicas + surge, "too many pods");
        assert.ok(young.available + old.available >= replicas - unavailable, "too few available pods");
      }
      assert.deepEqual([young.replicas, old.replicas], [replicas, 0]);
    },
  ));
});

Deno.test("planScaling() shares a new size among sets in proportion", () => {
  const total = (plan: ReadonlyMap<string, number>, sets: readonly Sizes[]) =>
    sets.reduce((sum, set) => sum + (plan.get(set.name) ?? set.replicas), 0);
  const sets = [{ ...sizes("old", 6), desired: 10 }, { ...sizes("new", 5), desired: 10 }];
  const up = planScaling(deployment(20, 1, 1), sets).scale;
  assert.equal(total(up, sets), 21);
  assert.ok((up.get("old") ?? 0) >= (up.get("new") ?? 0));
  assert.equal(total(planScaling(deployment(0, 1, 1), sets).scale, sets), 0);
});
