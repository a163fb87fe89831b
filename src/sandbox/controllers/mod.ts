/** Starts the controllers of the embedded cluster over its API's store. */
import type { Clock } from "../../ports/clock.ts";
import { groupVersion } from "../api/kinds.ts";
import type { SandboxApi } from "../api/server.ts";
import type { PodRuntime } from "../pod_runtime.ts";
import { autoscalerController } from "./autoscaler.ts";
import { deploymentController } from "./deployment.ts";
import { endpointSliceController } from "./endpoint_slice.ts";
import { garbageController, namespaceController } from "./garbage.ts";
import { gatewayController, type GatewaySwitch } from "./gateway.ts";
import { startNodeAgent } from "./node_agent.ts";
import { replicaSetController } from "./replica_set.ts";
import { runControllers } from "./runner.ts";

export { portAnnotation } from "./node_agent.ts";
export type { GatewayMode, GatewaySwitch } from "./gateway.ts";

export interface Controllers {
  /** What the Gateway API controller says of routes; may be changed at any time. */
  readonly gateway: GatewaySwitch;
  /** Ends all pods at once. */
  stop(): Promise<void>;
}

export interface ControllerOptions {
  readonly api: Pick<SandboxApi, "cluster">;
  readonly clock: Clock;
  /** Runs the pods. */
  readonly runtime: PodRuntime;
  /** "accept" unless told otherwise; "hold" where a mesh writes the status of routes itself. */
  readonly gateway?: GatewaySwitch["mode"];
}

/** Starts workloads, endpoints, autoscalers, garbage collection, namespaces and the Gateway API's voice. */
export function startControllers({ api, clock, runtime, gateway: mode }: ControllerOptions): Controllers {
  const { cluster } = api;
  const store = cluster.direct;
  const gateway: GatewaySwitch = { mode: mode ?? "accept" };
  const serves = (group: string, kind: string) => cluster.kinds.some((one) => one.group === group && one.kind === kind);
  const gatewayServed = serves("gateway.networking.k8s.io", "HTTPRoute") &&
    serves("gateway.networking.k8s.io", "Gateway");
  const present = cluster.kinds.flatMap((kind) => store.list(groupVersion(kind, kind.versions[0] ?? "v1"), kind.kind));
  const runner = runControllers(store, clock, [
    garbageController(store),
    namespaceController(store, cluster.kinds, (name) => cluster.releaseNamespace(name)),
    deploymentController(store, clock),
    replicaSetController(store, clock),
    endpointSliceController(store),
    autoscalerController(store, clock),
    ...(gatewayServed ? [gatewayController(store, clock, gateway)] : []),
  ], present);
  const node = startNodeAgent(store, clock, runtime);
  return {
    gateway,
    async stop() {
      runner.stop();
      await node.stop();
    },
  };
}
