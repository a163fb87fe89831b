/**
 * Whether a copy of the workload can live beside it, which is what a primary is. What cannot is refused with the
 * reason; `spec.promotion.allowSharedState` names volumes where the user knows better.
 */
import type { Canary } from "../core/canary.ts";
import type { Complaint, Manifest } from "../core/catalogue.ts";
import { at, type Json, type JsonObject, listAt, numberAt, objectAt, stringAt } from "../core/kube_object.ts";
import { podTemplateOf } from "../core/release.ts";
import { listed } from "../schema/nearest.ts";

/** Labels of which the selector must have one, the first that is there telling primary from canary. */
export const SELECTOR_LABELS = ["app", "name", "app.kubernetes.io/name"] as const;

type Reason = Pick<Complaint, "field" | "message" | "fix">;

/** Errors about the target's manifest, at its place. */
export function checkWorkload(canary: Canary, target: Manifest): readonly Complaint[] {
  const template = podTemplateOf(target.object);
  if (Object.keys(template).length === 0) return [];
  const allowed = canary.promotion.allowSharedState;
  const reasons = [
    ...selectorReasons(target),
    ...networkReasons(template),
    ...volumeReasons(template, allowed),
    ...claimReasons(target, allowed),
    ...strategyReasons(target),
  ];
  const { file, line } = target.place;
  return reasons.map((reason) => ({ ...reason, file, line, severity: "error", canary: canary.id }));
}

function selectorReasons({ object }: Manifest): readonly Reason[] {
  const labels = objectAt(object, "spec", "selector", "matchLabels");
  if (SELECTOR_LABELS.some((key) => typeof labels[key] === "string")) return [];
  return [{
    field: "spec.selector.matchLabels",
    message: `Must have one of the labels ${listed(SELECTOR_LABELS)}, by which primary and canary pods are told apart`,
    fix:
      "Add one of them to the selector and to the pod template; a selector cannot be changed in place, so the workload must be made anew",
  }];
}

function networkReasons(template: JsonObject): readonly Reason[] {
  const reasons: Reason[] = [];
  if (at(template, "spec", "hostNetwork") === true) {
    reasons.push({
      field: "spec.template.spec.hostNetwork",
      message: "A pod on the host's network takes its ports, so primary and canary cannot share a node",
      fix: 'Remove "hostNetwork"',
    });
  }
  for (const list of ["initContainers", "containers"]) {
    for (const [index, container] of listAt(template, "spec", list).entries()) {
      for (const [portIndex, port] of listAt(container, "ports").entries()) {
        const hostPort = numberAt(port, "hostPort");
        if (hostPort === undefined || hostPort === 0) continue;
        reasons.push({
          field: `spec.template.spec.${list}[${index}].ports[${portIndex}].hostPort`,
          message: `Host port ${hostPort} can be taken once a node, so primary and canary cannot share one`,
          fix: 'Remove "hostPort"',
        });
      }
    }
  }
  return reasons;
}

function volumeReasons(template: JsonObject, allowed: readonly string[]): readonly Reason[] {
  return listAt(template, "spec", "volumes").flatMap((volume, index): Reason[] => {
    const claim = stringAt(volume, "persistentVolumeClaim", "claimName");
    const name = stringAt(volume, "name") ?? "";
    const readOnly = at(volume, "persistentVolumeClaim", "readOnly") === true || mountedReadOnly(template, name);
    if (claim === undefined || readOnly || allowed.includes(name)) return [];
    return [{
      field: `spec.template.spec.volumes[${index}].persistentVolumeClaim`,
      message: `Primary and canary would both write to the claim "${claim}"`,
      fix: `Mount it read-only, or list "${name}" in "spec.promotion.allowSharedState" of the Canary`,
    }];
  });
}

function mountedReadOnly(template: JsonObject, volume: string): boolean {
  const containers: readonly Json[] = [
    ...listAt(template, "spec", "initContainers"),
    ...listAt(template, "spec", "containers"),
  ];
  const mounts = containers.flatMap((container) => listAt(container, "volumeMounts"))
    .filter((mount) => stringAt(mount, "name") === volume);
  return mounts.every((mount) => at(mount, "readOnly") === true);
}

function claimReasons({ object }: Manifest, allowed: readonly string[]): readonly Reason[] {
  return listAt(object, "spec", "volumeClaimTemplates").flatMap((claim, index): Reason[] => {
    const name = stringAt(claim, "metadata", "name") ?? "";
    if (allowed.includes(name)) return [];
    return [{
      field: `spec.volumeClaimTemplates[${index}]`,
      message:
        `Each pod of the canary would have its own volume "${name}", without what the primary's pods have stored`,
      fix: `List "${name}" in "spec.promotion.allowSharedState" of the Canary if that is wanted`,
    }];
  });
}

function strategyReasons({ object }: Manifest): readonly Reason[] {
  const type = stringAt(object, "spec", "updateStrategy", "type") ?? "RollingUpdate";
  if (object.kind !== "DaemonSet" || type === "RollingUpdate") return [];
  return [{
    field: "spec.updateStrategy.type",
    message: `Must be "RollingUpdate", or no pod would be replaced: current value is "${type}"`,
    fix: 'Write "RollingUpdate", or remove the field',
  }];
}
