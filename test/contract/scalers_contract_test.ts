/** What every autoscaler kind must do, run over the table. */
import assert from "node:assert/strict";
import fc from "fast-check";
import { scalers } from "../../adapters/scalers/mod.ts";
import { type KubeObject, numberAt, stringAt } from "../../src/core/kube_object.ts";
import { aCanary, frozen } from "../support/builders.ts";
import { adapterFiles } from "../support/adapter_files.ts";

/** File of each row, since kinds have long names. */
const FILES: ReadonlyMap<string, string> = new Map([["autoscaling/v2/HorizontalPodAutoscaler", "hpa"]]);

for (const adapter of scalers.values()) {
  const { apiVersion, kind } = adapter;
  const scaler = (minReplicas: number | undefined, maxReplicas: number): KubeObject =>
    frozen({
      apiVersion,
      kind,
      metadata: { name: "shop", namespace: "prod" },
      spec: {
        scaleTargetRef: { apiVersion: "apps/v1", kind: "Deployment", name: "shop" },
        ...(minReplicas === undefined ? {} : { minReplicas }),
        maxReplicas,
      },
    });
  const canary = (primaryMinReplicas: number | null, primaryMaxReplicas: number | null) =>
    frozen(
      aCanary({
        scaler: { apiVersion, kind, name: "shop", primaryMinReplicas, primaryMaxReplicas, primaryQueries: {} },
      }),
    );

  Deno.test(`${adapter.id} copies to the primary and never scales below the floor`, () => {
    const replicas = fc.option(fc.integer({ min: 1, max: 50 }));
    fc.assert(fc.property(replicas, replicas, fc.option(fc.integer({ min: 0, max: 60 })), (least, most, floor) => {
      const copy = adapter.primary(canary(least, most), scaler(2, 6), floor);
      assert.deepEqual(copy, adapter.primary(canary(least, most), scaler(2, 6), floor));
      assert.equal(copy.metadata.name, "shop-primary");
      assert.equal(stringAt(copy, "spec", "scaleTargetRef", "name"), "shop-primary");
      assert.equal(copy.status, undefined);
      const minimum = adapter.minimum(copy);
      assert.ok(minimum >= (floor ?? 0));
      assert.ok(minimum >= (least ?? 2));
      assert.ok((numberAt(copy, "spec", "maxReplicas") ?? 0) >= minimum);
    }));
  });

  Deno.test(`${adapter.id} knows the least replicas it keeps`, () => {
    assert.equal(adapter.minimum(scaler(3, 5)), 3);
    assert.equal(adapter.minimum(scaler(undefined, 5)), 1);
  });
}

Deno.test("the table of autoscalers equals its folder", () => {
  assert.deepEqual([...scalers.keys()].map((id) => FILES.get(id)), adapterFiles("scalers"));
  assert.deepEqual([...scalers.keys()], [...scalers.values()].map(({ id }) => id));
});
