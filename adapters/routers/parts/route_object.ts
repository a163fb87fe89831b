/** Metadata and guards that the routing objects of all routers share. */
import type { Canary, Weight } from "../../../src/core/canary.ts";
import type { Json, KubeObject, ObjectMeta } from "../../../src/core/kube_object.ts";
import { namesOf } from "../../../src/core/names.ts";
import { SerinError } from "../../../src/errors.ts";
import { ADOPT_ANNOTATION, asJson, covers, derivedLabels, LEAVE_ALONE, type Ownership, sorted } from "../../derived.ts";
import { RENDERED_ANNOTATION } from "./live_rules.ts";

/** The spec a user's route had before the agent took it over, as JSON. */
export const ORIGINAL_ANNOTATION = "serin.dev/original-spec";
/** The same as Flagger stores it. */
const FLAGGER_ORIGINAL_ANNOTATION = "flagger.kubernetes.io/original-configuration";

/** Metadata of the main routing object: `service.apex`, our labels, the record of what was rendered. */
export function routeMetadata(
  canary: Canary,
  record: string,
  live: { readonly object: KubeObject | undefined; readonly ownership: Ownership },
): ObjectMeta {
  const original = originalSpec(live.object, live.ownership);
  return {
    name: namesOf(canary).apex,
    namespace: canary.id.namespace,
    labels: sorted({ ...canary.service.apex.labels, ...derivedLabels(canary, live.ownership) }),
    annotations: sorted({
      ...canary.service.apex.annotations,
      ...LEAVE_ALONE,
      [RENDERED_ANNOTATION]: record,
      ...(original === undefined ? {} : { [ORIGINAL_ANNOTATION]: original }),
    }),
  };
}

/** What to remember of a user's spec: taken once, then carried along, since an apply drops what it does not name. */
function originalSpec(live: KubeObject | undefined, ownership: Ownership): string | undefined {
  const annotations = live?.metadata.annotations;
  const stored = annotations?.[ORIGINAL_ANNOTATION] ?? annotations?.[FLAGGER_ORIGINAL_ANNOTATION];
  if (stored !== undefined) return stored;
  return ownership === "user" && live?.spec !== undefined ? JSON.stringify(live.spec) : undefined;
}

/** The spec to give back to a user whose route was taken over, or undefined where the agent or Flagger made it. */
export function specToRestore(live: KubeObject): Json | undefined {
  const stored = live.metadata.annotations?.[ORIGINAL_ANNOTATION] ??
    live.metadata.annotations?.[FLAGGER_ORIGINAL_ANNOTATION];
  if (stored === undefined) return undefined;
  try {
    return JSON.parse(stored);
  } catch {
    // A person edited it: the route is then left pointing at the apex, as one that the agent made.
    return undefined;
  }
}

/** Metadata of a route that is handed back: without our labels, and open to be taken up by a later Canary. */
export function handedBackMetadata(canary: Canary): ObjectMeta {
  return {
    name: namesOf(canary).apex,
    namespace: canary.id.namespace,
    annotations: { [ADOPT_ANNOTATION]: "true" },
  };
}

/** Whether a live object lacks or contradicts what a render says; what cannot be rendered wants attention too. */
export function drifts(live: readonly KubeObject[], render: () => readonly KubeObject[]): boolean {
  try {
    return render().some((wanted) => {
      const there = live.find((object) => object.kind === wanted.kind && object.metadata.name === wanted.metadata.name);
      return there === undefined || !covers(asJson(there), asJson(wanted));
    });
  } catch (error) {
    if (error instanceof SerinError) return true;
    throw error;
  }
}

/** Percent of the canary in two weights, never rounded down to nothing. */
export function shareOf(primary: number, canary: number): Weight {
  return primary + canary <= 0 ? 0 : Math.ceil((100 * canary) / (primary + canary));
}
