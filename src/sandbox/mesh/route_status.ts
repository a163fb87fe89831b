/** What a Gateway API controller writes into an HTTPRoute's status, made from the mesh's report. Pure. */
import type { JsonObject } from "../../core/kube_object.ts";
import type { RouteReport } from "./programme.ts";

export const CONTROLLER_NAME = "serin.dev/sandbox-mesh";

/**
 * `status` of an HTTPRoute.
 *
 * @param nowMs becomes `lastTransitionTime`; compare without it before writing, or each write is a change
 */
export function httpRouteStatus({ object, parents }: RouteReport, nowMs: number): JsonObject {
  const lastTransitionTime = new Date(nowMs).toISOString().replace(/\.\d+Z$/, "Z");
  const observedGeneration = object.metadata.generation ?? 1;
  return {
    parents: parents.map(({ parentRef, accepted, reason, message }) => ({
      parentRef,
      controllerName: CONTROLLER_NAME,
      conditions: [{
        type: "Accepted",
        status: accepted ? "True" : "False",
        reason,
        message,
        observedGeneration,
        lastTransitionTime,
      }],
    })),
  };
}
