import { strictEqual } from "node:assert/strict";
import { hpa } from "../../adapters/scalers/hpa.ts";
import { aLock, OLD } from "../../test/support/core_builders.ts";
import { aCanary } from "../../test/support/builders.ts";
import type { KubeObject } from "../core/kube_object.ts";
import { primaryScalerDrifted, targetScalerDrifted } from "./scaler_facts.ts";

function scaler(spec: Record<string, unknown>, apiVersion = "autoscaling/v2"): KubeObject {
  const scaleTargetRef = { apiVersion: "apps/v1", kind: "Deployment", name: "podinfo" };
  return {
    apiVersion,
    kind: "HorizontalPodAutoscaler",
    metadata: { name: "podinfo", namespace: "test" },
    spec: { scaleTargetRef, ...spec },
  } as KubeObject;
}

const canary = aCanary({ scaler: { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler", name: "podinfo" } });
const copyOf = (original: KubeObject, floor: number | null = null) => hpa.primary(canary, original, floor);
const small = scaler({ minReplicas: 2, maxReplicas: 4 });
const large = scaler({ minReplicas: 2, maxReplicas: 40 });

for (
  const [name, scalers, want] of [
    ["the copy of what the tip declares", { declared: large, primary: copyOf(large) }, false],
    ["a copy of what the tip declared before", { declared: large, primary: copyOf(small) }, true],
    ["a copy with the floor of a rollout", { declared: large, primary: copyOf(large, 9) }, true],
    ["the copy of what is live, where Git declares none", { target: small, primary: copyOf(small) }, false],
    ["none", { declared: small }, true],
    ["none, and nothing to copy", {}, false],
  ] as const
) {
  Deno.test(`primaryScalerDrifted() ${name}: ${want}`, () => {
    const given = { declared: null, lock: aLock(), target: undefined, primary: undefined, ...scalers };
    strictEqual(primaryScalerDrifted(canary, hpa, given), want);
  });
}

Deno.test("primaryScalerDrifted() is false before the first lock, and where the canary names no scaler", () => {
  const given = { declared: small, lock: null, target: small, primary: undefined };
  strictEqual(primaryScalerDrifted(canary, hpa, given), false);
  strictEqual(primaryScalerDrifted(canary, null, { ...given, lock: aLock() }), false);
});

for (
  const [name, declared, live, want] of [
    ["as declared, with defaults", small, scaler({ minReplicas: 2, maxReplicas: 4, metrics: [] }), false],
    ["with another maximum", large, small, true],
    ["absent", small, undefined, true],
    [
      "seen in another version",
      scaler({ minReplicas: 2, maxReplicas: 4, targetCPUUtilizationPercentage: 80 }, "autoscaling/v1"),
      small,
      false,
    ],
    ["seen in another version with another maximum", scaler({ maxReplicas: 5 }, "autoscaling/v1"), small, true],
    ["not declared", null, small, false],
  ] as const
) {
  Deno.test(`targetScalerDrifted() ${name}: ${want}`, () => {
    strictEqual(targetScalerDrifted({ ...OLD, scaler: declared }, live), want);
  });
}
