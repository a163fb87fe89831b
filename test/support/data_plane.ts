/**
 * A data plane for wire tests: objects in a list that tests change, applications as pods, and the mesh in front of
 * them. Chance is seeded, so that a split of weights comes out the same in every run.
 */
import { machineClock } from "../../adapters/platform/clock.ts";
import type { JsonObject, KubeObject } from "../../src/core/kube_object.ts";
import { createAppRuntime } from "../../src/sandbox/apps/app_runtime.ts";
import { type Behaviour, behaviourTable } from "../../src/sandbox/apps/behaviour.ts";
import { type Mesh, startMesh } from "../../src/sandbox/mesh/mesh.ts";
import type { AddressOf, ObjectSource } from "../../src/sandbox/object_source.ts";
import type { PodProcess } from "../../src/sandbox/pod_runtime.ts";
import type { Clock } from "../../src/ports/clock.ts";
import { ManualClock } from "./manual_clock.ts";

/** Objects by kind and name; `put` replaces, and tells listeners. */
export class ObjectList implements ObjectSource {
  readonly #objects = new Map<string, KubeObject>();
  readonly #listeners = new Set<() => void>();

  put(...objects: readonly KubeObject[]): void {
    for (const object of objects) this.#objects.set(keyOf(object), object);
    for (const listener of this.#listeners) listener();
  }

  remove(object: KubeObject): void {
    this.#objects.delete(keyOf(object));
    for (const listener of this.#listeners) listener();
  }

  list(apiVersion: string, kind: string, namespace?: string): readonly KubeObject[] {
    return [...this.#objects.values()].filter((object) =>
      object.apiVersion === apiVersion && object.kind === kind &&
      (namespace === undefined || object.metadata.namespace === namespace)
    );
  }

  onChange(listener: () => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }
}

function keyOf({ kind, metadata }: KubeObject): string {
  return `${kind}/${metadata.namespace ?? ""}/${metadata.name}`;
}

/** An object in namespace "prod". */
export function object(apiVersion: string, kind: string, name: string, spec: JsonObject): KubeObject {
  return { apiVersion, kind, metadata: { name, namespace: "prod" }, spec };
}

/** A Service in "prod" that selects `app: <app>`, with port 8080. */
export function service(name: string, app: string): KubeObject {
  return object("v1", "Service", name, { selector: { app }, ports: [{ port: 8080 }] });
}

export interface DataPlane {
  readonly objects: ObjectList;
  readonly mesh: Mesh;
  readonly clock: Clock;
  readonly addressOf: AddressOf;
  /** Starts a pod of Deployment `app`, puts its object, and marks it ready. */
  pod(app: string, id: string, image: string): Promise<{ readonly object: KubeObject; readonly process: PodProcess }>;
}

/**
 * Runs `body` with a data plane around it, and closes all of it.
 *
 * @param behaviours of images; images that are not named answer at once and without errors
 */
export async function withDataPlane(
  behaviours: Readonly<Record<string, Partial<Behaviour>>>,
  body: (plane: DataPlane) => Promise<void>,
): Promise<void> {
  const dice = new ManualClock(0, 7);
  const clock: Clock = { ...machineClock, random: () => dice.random() };
  const table = behaviourTable(behaviours);
  const quick = { latencyMs: { p50: 0, p99: 0 }, startupMs: 0 };
  const runtime = createAppRuntime({
    clock,
    behaviourOf: (image) => image in behaviours ? table(image) : { ...table(image), ...quick },
  });
  const objects = new ObjectList();
  const mesh = startMesh({ objects, addressOf: runtime.addressOf, clock });
  try {
    await body({
      objects,
      mesh,
      clock,
      addressOf: runtime.addressOf,
      pod: (app, id, image) => startPod(app, id, image),
    });
  } finally {
    await mesh.stop();
    await runtime.stopAll();
  }

  async function startPod(app: string, id: string, image: string) {
    const pod: KubeObject = {
      apiVersion: "v1",
      kind: "Pod",
      metadata: {
        name: `${app}-6d4f-${id}`,
        namespace: "prod",
        labels: { app, "pod-template-hash": "6d4f" },
        ownerReferences: [{ kind: "ReplicaSet", name: `${app}-6d4f`, controller: true }],
      },
      spec: { containers: [{ name: "app", image }] },
    };
    const process = await runtime.start(pod);
    const isReady = await process.ready;
    const status = { phase: "Running", conditions: [{ type: "Ready", status: isReady ? "True" : "False" }] };
    objects.put({ ...pod, status });
    return { object: { ...pod, status }, process };
  }
}
