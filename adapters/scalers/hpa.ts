/** HorizontalPodAutoscalers: one for the primary, made from the target's; the target's own rests while it has no pods. */
import type { Canary } from "../../src/core/canary.ts";
import {
  at,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
} from "../../src/core/kube_object.ts";
import { namesOf } from "../../src/core/names.ts";
import { BugError } from "../../src/errors.ts";
import type { ScalerAdapter } from "../../src/ports/scaler.ts";
import { derivedLabels, objectMetadata, sorted } from "../derived.ts";

/** @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/horizontal-pod-autoscaler-v2/ */
export const hpa = {
  id: "autoscaling/v2/HorizontalPodAutoscaler",
  apiVersion: "autoscaling/v2",
  kind: "HorizontalPodAutoscaler",
  primary,
  minimum: (scaler) => numberAt(scaler, "spec", "minReplicas") ?? 1,
  // Kubernetes leaves a workload with 0 replicas alone.
  pause: () => null,
} as const satisfies ScalerAdapter;

function primary(canary: Canary, scaler: KubeObject, floor: number | null): KubeObject {
  const names = namesOf(canary);
  if (canary.scaler === null || names.primaryScaler === null) {
    throw new BugError("Cannot copy an autoscaler: the canary names none");
  }
  const { primaryMinReplicas, primaryMaxReplicas } = canary.scaler;
  const spec = objectAt(scaler, "spec");
  const least = Math.max(primaryMinReplicas ?? hpa.minimum(scaler), floor ?? 0);
  const most = Math.max(primaryMaxReplicas ?? numberAt(spec, "maxReplicas") ?? least, least);
  const metrics = metricsOf(spec);
  const behavior = at(spec, "behavior");
  return {
    apiVersion: hpa.apiVersion,
    kind: hpa.kind,
    metadata: {
      name: names.primaryScaler,
      namespace: canary.id.namespace,
      labels: sorted({ ...objectMetadata(scaler.metadata.labels), ...derivedLabels(canary) }),
    },
    spec: {
      scaleTargetRef: { apiVersion: canary.target.apiVersion, kind: canary.target.kind, name: names.primary },
      minReplicas: least,
      maxReplicas: most,
      ...(metrics.length === 0 ? {} : { metrics }),
      ...(behavior === undefined ? {} : { behavior }),
    },
  };
}

/** Metrics as version 2 writes them; version 1 knows one, as a field of its own. */
function metricsOf(spec: JsonObject): readonly Json[] {
  const cpu = numberAt(spec, "targetCPUUtilizationPercentage");
  if (cpu === undefined) return listAt(spec, "metrics");
  return [{ type: "Resource", resource: { name: "cpu", target: { type: "Utilization", averageUtilization: cpu } } }];
}
