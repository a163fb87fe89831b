/**
 * HorizontalPodAutoscalers, as far as the sandbox has them: the target is kept between minimum and maximum, and left
 * alone at zero replicas. There are no pod metrics, so nothing scales by load.
 */
import type { Clock } from "../../ports/clock.ts";
import { type JsonObject, type KubeObject, listAt, numberAt, objectAt, stringAt } from "../../core/kube_object.ts";
import type { DirectAccess } from "../api/cluster.ts";
import { timestamp } from "../api/json_edit.ts";
import { sameJson } from "../api/typed_merge.ts";
import { type Controller, keyOf, splitKey } from "./runner.ts";

const manager = "kube-controller-manager";
const kind = { apiVersion: "autoscaling/v2", kind: "HorizontalPodAutoscaler" };

export function autoscalerController(store: DirectAccess, clock: Clock): Controller {
  return {
    name: "horizontalpodautoscaler",
    concerns({ object }) {
      if (object.kind === kind.kind) return [keyOf(object)];
      if (object.kind !== "Deployment") return [];
      return store.list(kind.apiVersion, kind.kind, object.metadata.namespace)
        .filter((scaler) => stringAt(scaler, "spec", "scaleTargetRef", "name") === object.metadata.name)
        .map(keyOf);
    },
    reconcile(key) {
      const scaler = store.get({ ...kind, ...splitKey(key) });
      if (scaler === undefined) return undefined;
      const target = targetOf(store, scaler);
      const current = numberAt(target, "spec", "replicas") ?? 0;
      const min = numberAt(scaler, "spec", "minReplicas") ?? 1;
      const max = numberAt(scaler, "spec", "maxReplicas") ?? 1;
      const wanted = target === undefined || current === 0 ? current : Math.min(max, Math.max(min, current));
      if (target !== undefined && wanted !== current) {
        store.patch({ ...target.metadata, apiVersion: target.apiVersion, kind: target.kind }, {
          spec: { replicas: wanted },
        }, { manager, subresource: "scale" });
      }
      const status = statusOf(scaler, target, current, wanted, clock.now());
      if (!sameJson(scaler.status, status)) store.patchStatus({ ...scaler.metadata, ...kind }, { status }, { manager });
      return undefined;
    },
  };
}

function targetOf(store: DirectAccess, scaler: KubeObject): KubeObject | undefined {
  const ref = objectAt(scaler, "spec", "scaleTargetRef");
  if (stringAt(ref, "kind") !== "Deployment") return undefined;
  const { namespace } = scaler.metadata;
  return store.get({
    apiVersion: "apps/v1",
    kind: "Deployment",
    name: stringAt(ref, "name") ?? "",
    ...(namespace === undefined ? {} : { namespace }),
  });
}

function statusOf(
  scaler: KubeObject,
  target: KubeObject | undefined,
  current: number,
  wanted: number,
  now: number,
): JsonObject {
  const condition = (type: string, on: boolean, reason: string, message: string): JsonObject => {
    const status = on ? "True" : "False";
    const old = listAt(scaler, "status", "conditions").find((one) => stringAt(one, "type") === type);
    const since = stringAt(old, "status") === status ? stringAt(old, "lastTransitionTime") : undefined;
    return { type, status, lastTransitionTime: since ?? timestamp(now), reason, message };
  };
  const conditions = target === undefined
    ? [
      condition(
        "AbleToScale",
        false,
        "FailedGetScale",
        "the HPA controller was unable to get the target's current scale",
      ),
    ]
    : current === 0
    ? [
      condition(
        "AbleToScale",
        true,
        "SucceededGetScale",
        "the HPA controller was able to get the target's current scale",
      ),
      condition(
        "ScalingActive",
        false,
        "ScalingDisabled",
        "scaling is disabled since the replica count of the target is zero",
      ),
    ]
    : [
      condition("AbleToScale", true, "ReadyForNewScale", "recommended size matches current size"),
      condition("ScalingActive", false, "FailedGetResourceMetric", "the sandbox has no resource metrics"),
    ];
  return {
    ...(current === 0 ? {} : { currentReplicas: current }),
    desiredReplicas: wanted,
    currentMetrics: null,
    conditions,
  };
}
