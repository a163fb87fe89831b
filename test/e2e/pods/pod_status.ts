/** A pod's status as a kubelet writes it. */
import { type JsonObject, type KubeObject, listAt, stringAt } from "../../../src/core/kube_object.ts";

export interface PodState {
  readonly ip: string;
  /** The node's address. */
  readonly hostIp: string;
  readonly startedAt: string;
  readonly restarts: number;
  readonly ready: boolean;
  /** Why the container does not run, when it does not. */
  readonly waiting?: string;
  readonly now: string;
}

export async function podStatus(pod: KubeObject, state: PodState): Promise<JsonObject> {
  const runs = state.waiting === undefined;
  const conditions = [["Initialized", true], ["Ready", state.ready], ["ContainersReady", state.ready], [
    "PodScheduled",
    true,
  ]] as const;
  const containers = await Promise.all(
    listAt(pod, "spec", "containers").map(async (container): Promise<JsonObject> => {
      const image = stringAt(container, "image") ?? "";
      return {
        name: stringAt(container, "name") ?? "",
        image,
        imageID: await imageId(image),
        ready: state.ready,
        started: runs,
        restartCount: state.restarts,
        lastState: {},
        state: runs ? { running: { startedAt: state.startedAt } } : { waiting: { reason: state.waiting ?? "" } },
      };
    }),
  );
  return {
    phase: "Running",
    hostIP: state.hostIp,
    podIP: state.ip,
    podIPs: [{ ip: state.ip }],
    startTime: state.startedAt,
    conditions: conditions.map(([type, on]) => ({
      type,
      status: on ? "True" : "False",
      lastTransitionTime: state.now,
      ...(on ? {} : { reason: "ContainersNotReady" }),
    })),
    containerStatuses: containers,
  };
}

/** A digest that follows from the image's name, as if a tag never moved. */
async function imageId(image: string): Promise<string> {
  const digest = new Uint8Array(await crypto.subtle.digest("SHA-256", new TextEncoder().encode(image)));
  const repository = image.split("@")[0]?.replace(/:[^/:]*$/, "") ?? image;
  return `${repository}@sha256:${[...digest].map((byte) => byte.toString(16).padStart(2, "0")).join("")}`;
}
