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

export function startNodeAgent(store: DirectAccess, clock: Clock, runtime: PodRuntime): NodeAgent {
  const pods = new Map<string, Running>();
  const stopped = new AbortController();
  const work = new Set<Promise<void>>();

  /** Nothing that happens to a pod may end the agent; a pod that is gone meanwhile is no error. */
  function background(task: Promise<void>): void {
    const settled = task.catch((error: unknown) => {
      if (!(error instanceof StatusError) && !stopped.signal.aborted) throw error;
    }).finally(() => work.delete(settled));
    work.add(settled);
  }

  function look(pod: KubeObject): void {
    if (stopped.signal.aborted) return;
    const key = keyOf(pod);
    const known = pods.get(key);
    if (known === undefined && pod.metadata.deletionTimestamp === undefined) {
      const entry: Running = {
        uid: pod.metadata.uid ?? "",
        process: undefined,
        stopping: false,
        restarts: 0,
        startedAt: timestamp(clock.now()),
      };
      pods.set(key, entry);
      background(run(pod, entry));
    } else if (known !== undefined && pod.metadata.deletionTimestamp !== undefined && !known.stopping) {
      known.stopping = true;
      background(end(pod, known));
    }
  }

  function present(pod: KubeObject): KubeObject | undefined {
    const live = store.get({ ...pod.metadata, apiVersion: "v1", kind: "Pod" });
    return live !== undefined && live.metadata.uid === pod.metadata.uid ? live : undefined;
  }

  async function run(pod: KubeObject, entry: Running): Promise<void> {
    const ref = { ...pod.metadata, apiVersion: "v1", kind: "Pod" };
    if (stringAt(pod, "spec", "nodeName") === undefined) {
      store.patch(ref, { spec: { nodeName } }, { manager: "kube-scheduler" });
    }
    report(pod, entry, { ready: false, waiting: "ContainerCreating" });
    while (!entry.stopping && !stopped.signal.aborted) {
      const process = await start(pod, entry);
      if (process !== undefined) await live(pod, entry, process);
      if (entry.stopping || stopped.signal.aborted) return;
      entry.restarts++;
      report(pod, entry, { ready: false, waiting: process === undefined ? "RunContainerError" : "CrashLoopBackOff" });
      await clock.sleep(Math.min(backoffMsMax, 500 * 2 ** Math.min(entry.restarts, 16)), stopped.signal).catch(
        () => {},
      );
    }
  }

  async function start(pod: KubeObject, entry: Running): Promise<PodProcess | undefined> {
    try {
      const process = await runtime.start(present(pod) ?? pod);
      entry.process = process;
      return process;
    } catch {
      // The reason is the runtime's; the pod shows that its container could not be started.
      return undefined;
    }
  }

  /** Reports a process until it ends. */
  async function live(pod: KubeObject, entry: Running, process: PodProcess): Promise<void> {
    if (entry.stopping || stopped.signal.aborted) {
      await process.stop(0);
      return;
    }
    const imageId = await imageIdOf(pod);
    store.patch({ ...pod.metadata, apiVersion: "v1", kind: "Pod" }, {
      metadata: { annotations: { [portAnnotation]: String(process.address.port) } },
    }, { manager });
    const address = process.address.hostname;
    report(pod, entry, { ready: false, address, imageId });
    background(process.ready.then((ready) => {
      if (ready && entry.process === process && !entry.stopping) report(pod, entry, { ready: true, address, imageId });
    }));
    await process.exited;
    entry.process = undefined;
  }

  async function end(pod: KubeObject, entry: Running): Promise<void> {
    const grace = numberAt(pod, "metadata", "deletionGracePeriodSeconds") ?? 30;
    await entry.process?.stop(grace * 1000);
    pods.delete(keyOf(pod));
    if (present(pod) === undefined) return;
    store.remove({ ...pod.metadata, apiVersion: "v1", kind: "Pod" }, { gracePeriodSeconds: 0 });
  }

  function report(pod: KubeObject, entry: Running, state: ContainerState): void {
    const live = present(pod);
    if (live === undefined || stopped.signal.aborted) return;
    const status = podStatus(live, entry, state, timestamp(clock.now()));
    store.patchStatus({ ...live.metadata, apiVersion: "v1", kind: "Pod" }, { status }, { manager });
  }

  const unwatch = store.watch(({ type, object }) => {
    if (object.apiVersion !== "v1" || object.kind !== "Pod") return;
    if (type !== "DELETED") return queueMicrotask(() => look(object));
    const gone = pods.get(keyOf(object));
    if (gone === undefined || gone.uid !== object.metadata.uid || gone.stopping) return;
    // Deleted without grace: the process goes at once.
    gone.stopping = true;
    pods.delete(keyOf(object));
    const { process } = gone;
    if (process !== undefined) background(process.stop(0));
  });
  for (const pod of store.list("v1", "Pod")) look(pod);

  return {
    async stop() {
      unwatch();
      stopped.abort();
      await Promise.all([...pods.values()].map((entry) => entry.process?.stop(0)));
      await Promise.all(work);
    },
  };
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
