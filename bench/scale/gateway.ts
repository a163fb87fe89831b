/**
 * The part of a Gateway controller that the agent waits for: it accepts every HTTPRoute at its newest generation. No
 * proxy stands behind it. What it sees on the way is the record of the measurement: when each route got which share.
 */
import type { Clock } from "../../src/ports/clock.ts";
import { type KubeObject, listAt, numberAt, stringAt } from "../../src/core/kube_object.ts";
import type { Cluster } from "../../src/ports/cluster.ts";
import { type ApiServer, callApi } from "../../test/wire/api_case.ts";

const API = "gateway.networking.k8s.io/v1";
const CONTROLLER = "example.com/gateway-of-the-bench";

/** One change of a route's share, as its watch told it. */
export interface Share {
  readonly name: string;
  readonly weight: number;
  /** Epoch milliseconds. */
  readonly atMs: number;
}

/** A Deployment whose pods got ready, as its watch told it. */
export interface Ready {
  readonly name: string;
  readonly atMs: number;
}

export interface Gateway {
  readonly shares: readonly Share[];
  readonly readies: readonly Ready[];
  /** The API server is about to end: what cannot be accepted any more is no error. */
  close(): void;
}

/** Resolves when both kinds are watched; it ends with the cluster. */
export async function startGateway(parts: {
  /** Watches. */
  readonly cluster: Cluster;
  /** Writes statuses. */
  readonly api: ApiServer;
  readonly clock: Clock;
}): Promise<Gateway> {
  const { cluster, api, clock } = parts;
  const shares: Share[] = [];
  const readies: Ready[] = [];
  const weights = new Map<string, number>();
  const ready = new Set<string>();
  let isOver = false;
  cluster.onChange((ref, object) => {
    if (object === undefined) return;
    const atMs = clock.now();
    if (ref.kind === "HTTPRoute") {
      const weight = weightOf(object);
      if (weights.get(ref.name) !== weight) shares.push({ name: ref.name, weight, atMs });
      weights.set(ref.name, weight);
      if (!isAccepted(object)) {
        accept(api, object, clock.now()).catch((error) => {
          if (!isOver) throw error;
        });
      }
    } else if (ref.kind === "Deployment") {
      const isReady = (numberAt(object, "status", "availableReplicas") ?? 0) > 0;
      if (isReady && !ready.has(ref.name)) readies.push({ name: ref.name, atMs });
      if (isReady) ready.add(ref.name);
      else ready.delete(ref.name);
    }
  });
  await cluster.watch({ apiVersion: API, kind: "HTTPRoute" });
  await cluster.watch({ apiVersion: "apps/v1", kind: "Deployment" });
  return {
    shares,
    readies,
    close() {
      isOver = true;
    },
  };
}

/** Percent of the second backend, which is the canary's. */
function weightOf(route: KubeObject): number {
  const [primary, canary] = listAt(route, "spec", "rules", 0, "backendRefs");
  const [a, b] = [numberAt(primary, "weight") ?? 1, canary === undefined ? 0 : numberAt(canary, "weight") ?? 1];
  return a + b === 0 ? 0 : Math.round(100 * b / (a + b));
}

function isAccepted(route: KubeObject): boolean {
  const [parent] = listAt(route, "status", "parents");
  return listAt(parent, "conditions").some((condition) =>
    numberAt(condition, "observedGeneration") === route.metadata.generation
  );
}

export function acceptedStatus(route: KubeObject, nowMs: number) {
  const conditions = ["Accepted", "ResolvedRefs"].map((type) => ({
    type,
    status: "True",
    reason: type,
    message: "",
    observedGeneration: route.metadata.generation ?? 0,
    lastTransitionTime: new Date(nowMs).toISOString(),
  }));
  return {
    parents: listAt(route, "spec", "parentRefs").map((parentRef) => ({
      parentRef,
      controllerName: CONTROLLER,
      conditions,
    })),
  };
}

async function accept(api: ApiServer, route: KubeObject, nowMs: number): Promise<void> {
  const { namespace = "default", name } = route.metadata;
  const answer = await callApi(api, {
    method: "PATCH",
    path: `/apis/${API}/namespaces/${namespace}/httproutes/${name}/status`,
    contentType: "application/merge-patch+json",
    body: { status: acceptedStatus(route, nowMs) },
  }).catch((error) => ({ status: 0, body: String(error) }));
  if (answer.status !== 200 && answer.status !== 404) {
    throw new Error(
      `Cannot accept ${name}: ${answer.status} ${JSON.stringify(answer.body)} ${stringAt(route, "kind")}`,
    );
  }
}
