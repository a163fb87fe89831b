/** What the controllers of an HTTPRoute's parents say of its newest generation. */
import { at, type Json, type KubeObject, listAt, numberAt, stringAt } from "../../../src/core/kube_object.ts";
import type { RoutesView } from "../../../src/core/routes.ts";

type Acceptance = Pick<RoutesView, "accepted" | "reason">;

/**
 * "yes" when every parent in the spec has an entry with Accepted and ResolvedRefs True at this generation; "no" with a
 * reason when one of them is False at it; else "unknown".
 *
 * @see https://gateway-api.sigs.k8s.io/reference/spec/#routestatus
 */
export function acceptance(route: KubeObject): Acceptance {
  const generation = route.metadata.generation ?? 0;
  const entries = listAt(route, "status", "parents");
  let waiting: string | null = null;
  for (const parent of listAt(route, "spec", "parentRefs")) {
    const key = parentKey(parent, route.metadata.namespace);
    const name = `${stringAt(parent, "kind") ?? "Gateway"} "${stringAt(parent, "name")}"`;
    const verdicts = entries
      .filter((entry) => parentKey(at(entry, "parentRef"), route.metadata.namespace) === key)
      .map((entry) => verdictOf(entry, generation));
    const refused = verdicts.find(({ accepted }) => accepted === "no");
    if (refused !== undefined) return { accepted: "no", reason: `${name}: ${refused.reason}` };
    if (!verdicts.some(({ accepted }) => accepted === "yes")) {
      waiting ??= `${name} has not accepted generation ${generation} yet`;
    }
  }
  return waiting === null ? { accepted: "yes", reason: null } : { accepted: "unknown", reason: waiting };
}

/** Defaults written out, so that a controller that fills them in names the same parent. */
function parentKey(parent: Json | undefined, namespace: string | undefined): string {
  const group = stringAt(parent, "group") ?? "gateway.networking.k8s.io";
  return JSON.stringify([
    group === "core" ? "" : group,
    stringAt(parent, "kind") ?? "Gateway",
    stringAt(parent, "namespace") ?? namespace ?? "",
    stringAt(parent, "name") ?? "",
    stringAt(parent, "sectionName") ?? "",
    numberAt(parent, "port") ?? 0,
  ]);
}

function verdictOf(entry: Json, generation: number): Acceptance {
  const conditions = listAt(entry, "conditions").filter((condition) =>
    (numberAt(condition, "observedGeneration") ?? 0) >= generation
  );
  const found = ["Accepted", "ResolvedRefs"].map((type) => conditions.find((one) => stringAt(one, "type") === type));
  const refused = found.find((condition) => stringAt(condition, "status") === "False");
  if (refused !== undefined) {
    const [type, reason, message] = ["type", "reason", "message"].map((key) => stringAt(refused, key) ?? "");
    return { accepted: "no", reason: `${type} is False (${reason}): ${message}` };
  }
  const all = found.every((condition) => stringAt(condition, "status") === "True");
  return { accepted: all ? "yes" : "unknown", reason: null };
}
