/**
 * What a cluster does by itself: Deployments roll out pods that take their time to get ready, and a gateway accepts
 * routes a little later. Minimal: one surge pod, no pod taken away that is needed.
 */
import { digestOf } from "../../src/core/digest.ts";
import {
  at,
  type Json,
  type KubeObject,
  listAt,
  numberAt,
  type ObjectRef,
  stringAt,
} from "../../src/core/kube_object.ts";
import { refKey, refOf } from "../../src/core/kube_object.ts";
import type { Dice } from "./dice.ts";
import type { Change, KubeServer } from "./kube_server.ts";
import type { Timeline } from "./timeline.ts";

export interface Pod {
  readonly template: string;
  readonly image: string;
  /** When it is available, in elapsed milliseconds; infinite when never. */
  readonly readyAt: number;
}

export interface ControllerOptions {
  readonly server: KubeServer;
  readonly timeline: Timeline;
  readonly dice: Dice;
  /** How long a pod of an image takes to get ready; infinite when it never does. */
  readonly readyAfterMs: (image: string, deployment: string) => number;
}

interface Rollout {
  pods: readonly Pod[];
  /** Last time anything got better, for the progress deadline. */
  progressAt: number;
  generation: number;
  ready: number;
  queued: boolean;
}

export class Controllers {
  readonly #options: ControllerOptions;
  readonly #rollouts = new Map<string, Rollout>();

  constructor(options: ControllerOptions) {
    this.#options = options;
    options.server.onChange((change) => this.#changed(change));
  }

  /** Pods of a Deployment that are available now. */
  readyPods(ref: ObjectRef): readonly Pod[] {
    const now = this.#options.timeline.elapsed;
    return (this.#rollouts.get(refKey(ref))?.pods ?? []).filter((pod) => pod.readyAt <= now);
  }

  /** Trouble: all pods of a Deployment start again. */
  restartPods(ref: ObjectRef, afterMs: number): void {
    const rollout = this.#rollouts.get(refKey(ref));
    if (rollout === undefined) return;
    const readyAt = this.#options.timeline.elapsed + afterMs;
    rollout.pods = rollout.pods.map((pod) => ({ ...pod, readyAt: Math.max(pod.readyAt, readyAt) }));
    this.#queue(ref, 1);
    this.#queue(ref, afterMs + 1);
  }

  #changed({ ref, after, before }: Change): void {
    if (ref.kind === "Deployment") {
      if (after === undefined) this.#rollouts.delete(refKey(ref));
      else if (after.metadata.generation !== before?.metadata.generation) {
        this.#queue(ref, this.#options.dice.int(20, 200));
      }
    }
    if (ref.kind === "HTTPRoute" && after !== undefined && after.metadata.generation !== before?.metadata.generation) {
      this.#options.timeline.after(this.#options.dice.int(50, 1500), () => this.#accept(ref));
    }
  }

  #queue(ref: ObjectRef, afterMs: number): void {
    this.#options.timeline.after(afterMs, () => this.#reconcile(ref));
  }

  #reconcile(ref: ObjectRef): void {
    const { server, timeline } = this.#options;
    const live = server.get(ref);
    if (live === undefined) return;
    const now = timeline.elapsed;
    const key = refKey(ref);
    const rollout = this.#rollouts.get(key) ?? { pods: [], progressAt: now, generation: 0, ready: 0, queued: false };
    this.#rollouts.set(key, rollout);
    if ((live.metadata.generation ?? 0) !== rollout.generation) [rollout.progressAt, rollout.ready] = [now, 0];
    rollout.generation = live.metadata.generation ?? 0;
    const template = digestOf(at(live, "spec", "template") ?? null);
    const before = rollout.pods.length;
    rollout.pods = this.#planned(live, template, rollout.pods);
    const ready = rollout.pods.filter((pod) => pod.template === template && pod.readyAt <= now).length;
    if (ready > rollout.ready) rollout.progressAt = now;
    rollout.ready = ready;
    const waiting = rollout.pods.filter((pod) => pod.readyAt > now && Number.isFinite(pod.readyAt));
    if (waiting.length > 0) this.#queue(ref, Math.min(...waiting.map((pod) => pod.readyAt)) - now);
    else if (rollout.pods.length !== before) this.#queue(ref, 1);
    this.#report(ref, live, { template, rollout });
  }

  /** Pods after this look: one more than wanted while a template is replaced, none fewer ready than wanted. */
  #planned(live: KubeObject, template: string, pods: readonly Pod[]): readonly Pod[] {
    const now = this.#options.timeline.elapsed;
    const wanted = numberAt(live, "spec", "replicas") ?? 1;
    const image = stringAt(live, "spec", "template", "spec", "containers", 0, "image") ?? "";
    let next = [...pods];
    const isReady = (pod: Pod): boolean => pod.readyAt <= now;
    // Old pods that never got ready are in nobody's way.
    const paused = at(live, "spec", "paused") === true;
    if (!paused) next = next.filter((pod) => pod.template === template || isReady(pod));
    const fresh = (): Pod => ({
      template,
      image,
      readyAt: now + this.#options.readyAfterMs(image, live.metadata.name) + this.#options.dice.int(0, 100),
    });
    const young = (): number => next.filter((pod) => pod.template === template).length;
    while (!paused && young() < wanted && next.length < wanted + 1) next.push(fresh());
    const order = (pod: Pod): number => (isReady(pod) ? 2 : 0) + (pod.template === template ? 1 : 0);
    while (next.length > wanted) {
      const victim = [...next].sort((a, b) => order(a) - order(b))[0];
      if (victim === undefined) break;
      const old = next.find((pod) => pod.template !== template);
      const readyLeft = next.filter(isReady).length;
      // While old pods are left, the surge pod stays until it can stand in for one of them.
      const scalingDown = next.length > wanted + 1 || old === undefined;
      if (scalingDown) next = next.filter((pod) => pod !== victim);
      else if (readyLeft > wanted) next = next.filter((pod) => pod !== old);
      else break;
    }
    while (!paused && young() < wanted && next.length < wanted + 1) next.push(fresh());
    return next;
  }

  #report(ref: ObjectRef, live: KubeObject, seen: { readonly template: string; readonly rollout: Rollout }): void {
    const { server, timeline } = this.#options;
    const { rollout, template } = seen;
    const now = timeline.elapsed;
    const wanted = numberAt(live, "spec", "replicas") ?? 1;
    const young = rollout.pods.filter((pod) => pod.template === template);
    const available = rollout.pods.filter((pod) => pod.readyAt <= now).length;
    const complete = young.length === wanted && rollout.pods.length === wanted && available === wanted;
    const deadlineMs = (numberAt(live, "spec", "progressDeadlineSeconds") ?? 600) * 1000;
    const late = !complete && now >= rollout.progressAt + deadlineMs;
    if (!complete && !late) this.#queue(ref, rollout.progressAt + deadlineMs - now);
    server.putStatus(ref, {
      observedGeneration: live.metadata.generation ?? 0,
      replicas: rollout.pods.length,
      updatedReplicas: young.length,
      readyReplicas: available,
      availableReplicas: available,
      conditions: [
        late
          ? { type: "Progressing", status: "False", reason: "ProgressDeadlineExceeded", message: "it took too long" }
          : { type: "Progressing", status: "True", reason: complete ? "NewReplicaSetAvailable" : "ReplicaSetUpdated" },
      ],
    });
  }

  #accept(ref: ObjectRef): void {
    const route = this.#options.server.get(ref);
    if (route === undefined) return;
    const observedGeneration = route.metadata.generation ?? 0;
    const condition = (type: string): Json => ({ type, status: "True", reason: type, message: "", observedGeneration });
    const parents = listAt(route, "spec", "parentRefs").map((parentRef): Json => ({
      parentRef,
      controllerName: "sim.example/gateway",
      conditions: [condition("Accepted"), condition("ResolvedRefs")],
    }));
    this.#options.server.putStatus(refOf(route), { parents });
  }
}
