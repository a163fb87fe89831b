/**
 * The one node of the sandbox: binds pods to itself, runs each through the `PodRuntime`, and reports what came of it in
 * the pod's status. A pod that is being deleted gets its grace period, and is gone when its process is.
 */
import type { Clock } from "../../ports/clock.ts";
import { type JsonObject, type KubeObject, listAt, numberAt, objectAt, stringAt } from "../../core/kube_object.ts";
import type { DirectAccess } from "../api/cluster.ts";
import { timestamp } from "../api/json_edit.ts";
import { StatusError } from "../api/status_error.ts";
import type { PodProcess, PodRuntime } from "../pod_runtime.ts";
import { keyOf } from "./runner.ts";

/** The annotation that says on which port of `status.podIP` a pod listens: pods share loopback. */
export const portAnnotation = "sandbox.serin.dev/port";

const manager = "kubelet";
const nodeName = "sandbox";
/** A crashed container is started again after 1 s, 2 s, 4 s … at most this. */
const backoffMsMax = 30_000;

interface Running {
  readonly uid: string;
  process: PodProcess | undefined;
  stopping: boolean;
  restarts: number;
  readonly startedAt: string;
}

export interface NodeAgent {
  /** Stops all processes at once. */
  stop(): Promise<void>;
}

/** Starts the node: it takes every pod, those that are there and those to come. */
export function startNodeAgent(store: DirectAccess, clock: Clock, runtime: PodRuntime): NodeAgent {
  return new Node(store, clock, runtime);
}

function podRef(pod: KubeObject) {
  return { ...pod.metadata, apiVersion: "v1", kind: "Pod" };
}

class Node implements NodeAgent {
  readonly #store: DirectAccess;
  readonly #clock: Clock;
  readonly #runtime: PodRuntime;
  readonly #pods = new Map<string, Running>();
  readonly #stopped = new AbortController();
  readonly #work = new Set<Promise<void>>();
  readonly #unwatch: () => void;

  constructor(store: DirectAccess, clock: Clock, runtime: PodRuntime) {
    this.#store = store;
    this.#clock = clock;
    this.#runtime = runtime;
    this.#unwatch = store.watch(({ type, object }) => {
      if (object.apiVersion !== "v1" || object.kind !== "Pod") return;
      if (type === "DELETED") this.#forget(object);
      else queueMicrotask(() => this.#look(object));
    });
    for (const pod of store.list("v1", "Pod")) this.#look(pod);
  }

  async stop(): Promise<void> {
    this.#unwatch();
    this.#stopped.abort();
    await Promise.all([...this.#pods.values()].map((entry) => entry.process?.stop(0)));
    await Promise.all(this.#work);
  }

  /** A pod that is gone in the meantime is no error, and no error but our own may end the agent. */
  #background(task: Promise<void>): void {
    const settled = task.catch((error: unknown) => {
      if (!(error instanceof StatusError) && !this.#stopped.signal.aborted) throw error;
    }).finally(() => this.#work.delete(settled));
    this.#work.add(settled);
  }

  #look(pod: KubeObject): void {
    if (this.#stopped.signal.aborted) return;
    const known = this.#pods.get(keyOf(pod));
    const going = pod.metadata.deletionTimestamp !== undefined;
    if (known === undefined && !going) {
      const uid = pod.metadata.uid ?? "";
      const startedAt = timestamp(this.#clock.now());
      const entry: Running = { uid, process: undefined, stopping: false, restarts: 0, startedAt };
      this.#pods.set(keyOf(pod), entry);
      this.#background(this.#run(pod, entry));
    } else if (known !== undefined && going && !known.stopping) {
      known.stopping = true;
      this.#background(this.#end(pod, known));
    }
  }

  /** A pod that was deleted without grace: its process goes at once. */
  #forget(pod: KubeObject): void {
    const gone = this.#pods.get(keyOf(pod));
    if (gone === undefined || gone.uid !== pod.metadata.uid || gone.stopping) return;
    gone.stopping = true;
    this.#pods.delete(keyOf(pod));
    if (gone.process !== undefined) this.#background(gone.process.stop(0));
  }

  #present(pod: KubeObject): KubeObject | undefined {
    const live = this.#store.get(podRef(pod));
    return live !== undefined && live.metadata.uid === pod.metadata.uid ? live : undefined;
  }

  /** Starts the container, again and again, until the pod goes. */
  async #run(pod: KubeObject, entry: Running): Promise<void> {
    if (this.#present(pod) === undefined) return;
    if (stringAt(pod, "spec", "nodeName") === undefined) {
      this.#store.patch(podRef(pod), { spec: { nodeName } }, { manager: "kube-scheduler" });
    }
    this.#report(pod, entry, { ready: false, waiting: "ContainerCreating" });
    const { signal } = this.#stopped;
    while (!entry.stopping && !signal.aborted) {
      const process = await this.#start(pod, entry);
      if (process !== undefined) await this.#live(pod, entry, process);
      if (entry.stopping || signal.aborted) return;
      entry.restarts++;
      const waiting = process === undefined ? "RunContainerError" : "CrashLoopBackOff";
      this.#report(pod, entry, { ready: false, waiting });
      const backoffMs = Math.min(backoffMsMax, 500 * 2 ** Math.min(entry.restarts, 16));
      await this.#clock.sleep(backoffMs, signal).catch(() => {});
    }
  }

  async #start(pod: KubeObject, entry: Running): Promise<PodProcess | undefined> {
    try {
      const process = await this.#runtime.start(this.#present(pod) ?? pod);
      entry.process = process;
      return process;
    } catch {
      // The reason is the runtime's; the pod shows that its container could not be started.
      return undefined;
    }
  }

  /** Reports a process until it ends. */
  async #live(pod: KubeObject, entry: Running, process: PodProcess): Promise<void> {
    if (entry.stopping || this.#stopped.signal.aborted) return await process.stop(0);
    const imageId = await imageIdOf(pod);
    const { hostname: address, port } = process.address;
    if (this.#present(pod) !== undefined) {
      this.#store.patch(podRef(pod), { metadata: { annotations: { [portAnnotation]: String(port) } } }, { manager });
    }
    this.#report(pod, entry, { ready: false, address, imageId });
    this.#background(process.ready.then((ready) => {
      const current = entry.process === process && !entry.stopping;
      if (ready && current) this.#report(pod, entry, { ready: true, address, imageId });
    }));
    await process.exited;
    entry.process = undefined;
  }

  /** Ends the process within its grace period; then the pod is gone. */
  async #end(pod: KubeObject, entry: Running): Promise<void> {
    const grace = numberAt(pod, "metadata", "deletionGracePeriodSeconds") ?? 30;
    await entry.process?.stop(grace * 1000);
    this.#pods.delete(keyOf(pod));
    if (this.#present(pod) !== undefined) this.#store.remove(podRef(pod), { gracePeriodSeconds: 0 });
  }

  #report(pod: KubeObject, entry: Running, state: ContainerState): void {
    const live = this.#present(pod);
    if (live === undefined || this.#stopped.signal.aborted) return;
    const status = podStatus(live, entry, state, timestamp(this.#clock.now()));
    this.#store.patchStatus(podRef(live), { status }, { manager });
  }
}

interface ContainerState {
  readonly ready: boolean;
  readonly address?: string;
  readonly imageId?: string;
  /** Why the container does not run, when it does not. */
  readonly waiting?: string;
}

function podStatus(pod: KubeObject, entry: Running, state: ContainerState, now: string): JsonObject {
  const runs = state.waiting === undefined;
  const flags: readonly (readonly [string, boolean])[] = [
    ["PodReadyToStartContainers", runs],
    ["Initialized", true],
    ["Ready", state.ready],
    ["ContainersReady", state.ready],
    ["PodScheduled", true],
  ];
  const conditions = flags.map(([type, on]): JsonObject => {
    const status = on ? "True" : "False";
    const old = listAt(pod, "status", "conditions").find((one) => stringAt(one, "type") === type);
    const since = stringAt(old, "status") === status ? stringAt(old, "lastTransitionTime") : undefined;
    const why = on ? {} : { reason: "ContainersNotReady", message: "containers with unready status" };
    return { type, status, lastProbeTime: null, lastTransitionTime: since ?? now, ...why };
  });
  const containerStatuses = listAt(pod, "spec", "containers").map((container): JsonObject => ({
    name: stringAt(container, "name") ?? "",
    image: stringAt(container, "image") ?? "",
    imageID: state.imageId ?? "",
    ready: state.ready,
    started: runs,
    restartCount: entry.restarts,
    lastState: {},
    state: runs ? { running: { startedAt: entry.startedAt } } : { waiting: { reason: state.waiting ?? "" } },
  }));
  return {
    phase: runs || entry.restarts > 0 ? "Running" : "Pending",
    conditions,
    hostIP: "127.0.0.1",
    startTime: entry.startedAt,
    containerStatuses,
    ...(state.address === undefined ? {} : { podIP: state.address, podIPs: [{ ip: state.address }] }),
  };
}

/** A digest that follows from the image's name, as if a tag never moved. */
async function imageIdOf(pod: KubeObject): Promise<string> {
  const image = stringAt(objectAt(listAt(pod, "spec", "containers")[0]), "image") ?? "";
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(image)));
  const repository = image.split("@")[0]?.replace(/:[^/:]*$/, "") ?? image;
  return `${repository}@sha256:${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
