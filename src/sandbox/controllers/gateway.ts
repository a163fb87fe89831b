/**
 * A Gateway API controller that only talks: it accepts Gateways and HTTPRoutes in their status, as a mesh would, and can
 * be told to refuse them or to say nothing. Traffic is another part's business.
 */
import type { Clock } from "../../ports/clock.ts";
import {
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  refOf,
  stringAt,
} from "../../core/kube_object.ts";
import type { DirectAccess } from "../api/cluster.ts";
import { timestamp } from "../api/json_edit.ts";
import { sameJson } from "../api/typed_merge.ts";
import { type Controller, keyOf, splitKey } from "./runner.ts";

/** "hold" writes nothing, as a controller that is down or slow. */
export type GatewayMode = "accept" | "refuse" | "hold";

export interface GatewaySwitch {
  mode: GatewayMode;
}

const group = "gateway.networking.k8s.io";
const manager = "gateway-controller";
const controllerName = "sandbox.serin.dev/gateway-controller";

export function gatewayController(store: DirectAccess, clock: Clock, gateway: GatewaySwitch): Controller {
  const routes = () => store.list(`${group}/v1`, "HTTPRoute").map((route) => `HTTPRoute ${keyOf(route)}`);
  return {
    name: "gateway",
    concerns({ object }) {
      if (object.apiVersion.startsWith(`${group}/`)) {
        return [`${object.kind} ${keyOf(object)}`, ...(object.kind === "Gateway" ? routes() : [])];
      }
      return object.kind === "Service" && object.apiVersion === "v1" ? routes() : [];
    },
    reconcile(key) {
      if (gateway.mode === "hold") return undefined;
      const [kind = "", rest = ""] = key.split(" ");
      const object = store.get({ apiVersion: `${group}/v1`, kind, ...splitKey(rest) });
      if (object === undefined) return undefined;
      const status = kind === "Gateway"
        ? gatewayStatus(object, clock.now(), gateway.mode)
        : routeStatus(store, object, clock.now(), gateway.mode);
      if (!sameJson(object.status, status)) store.patchStatus(refOf(object), { status }, { manager });
      return undefined;
    },
  };
}

function condition(
  object: KubeObject,
  old: Json | undefined,
  now: number,
  [type, on, reason, message]: readonly [string, boolean, string, string],
): JsonObject {
  const status = on ? "True" : "False";
  const before = listAt(old, "conditions").find((one) => stringAt(one, "type") === type);
  const since = stringAt(before, "status") === status ? stringAt(before, "lastTransitionTime") : undefined;
  const observedGeneration = object.metadata.generation ?? 1;
  return { type, status, reason, message, observedGeneration, lastTransitionTime: since ?? timestamp(now) };
}

function gatewayStatus(object: KubeObject, now: number, mode: GatewayMode): JsonObject {
  const on = mode === "accept";
  const said = (type: string) => condition(object, object.status, now, [type, on, on ? type : "Invalid", ""]);
  return { ...object.status, conditions: [said("Accepted"), said("Programmed")] };
}

function routeStatus(store: DirectAccess, route: KubeObject, now: number, mode: GatewayMode): JsonObject {
  const parents = listAt(route, "spec", "parentRefs").flatMap((parentRef): readonly JsonObject[] => {
    const name = stringAt(parentRef, "name") ?? "";
    const namespace = stringAt(parentRef, "namespace") ?? route.metadata.namespace ?? "";
    const isGateway = (stringAt(parentRef, "kind") ?? "Gateway") === "Gateway";
    // A controller speaks for its own Gateways; a Service as parent stands for the mesh.
    if (isGateway && store.get({ apiVersion: `${group}/v1`, kind: "Gateway", namespace, name }) === undefined) {
      return [];
    }
    const old = listAt(route, "status", "parents").find((one) =>
      sameJson(objectAt(one, "parentRef"), objectAt(parentRef))
    );
    const missing = missingBackend(store, route);
    const accepted = mode === "accept";
    return [{
      parentRef,
      controllerName,
      conditions: [
        condition(route, old, now, ["Accepted", accepted, accepted ? "Accepted" : "NoMatchingParent", ""]),
        condition(route, old, now, [
          "ResolvedRefs",
          missing === undefined,
          missing === undefined ? "ResolvedRefs" : "BackendNotFound",
          missing === undefined ? "" : `service ${missing} not found`,
        ]),
      ],
    }];
  });
  // Verdicts of other controllers stay.
  const foreign = listAt(route, "status", "parents").filter((one) =>
    stringAt(one, "controllerName") !== controllerName
  );
  return { parents: [...foreign, ...parents] };
}

function missingBackend(store: DirectAccess, route: KubeObject): string | undefined {
  for (const rule of listAt(route, "spec", "rules")) {
    for (const backend of listAt(rule, "backendRefs")) {
      const name = stringAt(backend, "name") ?? "";
      const namespace = stringAt(backend, "namespace") ?? route.metadata.namespace ?? "";
      if ((stringAt(backend, "kind") ?? "Service") !== "Service") continue;
      if (store.get({ apiVersion: "v1", kind: "Service", namespace, name }) === undefined) {
        return `${namespace}/${name}`;
      }
    }
  }
  return undefined;
}
