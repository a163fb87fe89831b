/**
 * The node: runs every pod that was scheduled to it as a server at an address of its own, and reports to the API server
 * what a kubelet reports. A crashed pod is started again after a pause; one that is deleted is drained, then gone.
 */
import type { KubeObject } from "../../../src/core/kube_object.ts";
import { listAt, numberAt, objectAt, stringAt } from "../../../src/core/kube_object.ts";
import type { Clock } from "../../../src/ports/clock.ts";
import type { Cluster } from "../../../src/ports/cluster.ts";
import type { Behaviour } from "../../../src/sandbox/apps/behaviour.ts";
import { type ApiServer, callApi } from "../../wire/api_case.ts";
import { type PodServer, startPodServer } from "./pod_server.ts";
import { podStatus } from "./pod_status.ts";

interface Entry {
  readonly uid: string;
  readonly pod: KubeObject;
  readonly ip: string;
  readonly startedAt: string;
  restarts: number;
  server: PodServer | undefined;
  stopping: boolean;
}

export interface NodeOptions {
  /** Watches pods. */
  readonly cluster: Cluster;
  /** Writes their status. */
  readonly api: ApiServer;
  readonly clock: Clock;
  readonly nodeName: string;
  /** The first two numbers of its pods' addresses. */
  readonly network: string;
  /** How each image behaves. */
  readonly behaviour: (image: string) => Behaviour;
  /** Told about what a person may want to see in the node's log. */
  readonly log: (line: string) => void;
}

/** A port for pods that declare none. */
const PORT_DEFAULT = 8080;
const RESTART_MS_MAX = 30_000;

export class Node {
  readonly #options: NodeOptions;
  readonly #pods = new Map<string, Entry>();
  /** Addresses are handed out in order and never twice, so that a late request cannot meet a newer pod. */
  #given = 0;

  constructor(options: NodeOptions) {
    this.#options = options;
  }

  async run(): Promise<void> {
    const { cluster, nodeName } = this.#options;
    cluster.onChange((ref, pod) => {
      if (ref.kind !== "Pod") return;
      if (pod === undefined) this.#forget(`${ref.namespace}/${ref.name}`);
      else if (stringAt(pod, "spec", "nodeName") === nodeName) this.#look(pod);
    });
    await cluster.watch({ apiVersion: "v1", kind: "Pod" });
  }

  /**
   * Pods to scrape, as Prometheus' HTTP discovery takes them: all that are not annotated `prometheus.io/scrape: "false"`,
   * under the labels that Flagger's own Prometheus gives them.
   */
  targets(): readonly { readonly targets: readonly string[]; readonly labels: Readonly<Record<string, string>> }[] {
    return [...this.#pods.values()].flatMap(({ pod, ip }) => {
      const annotations = objectAt(pod, "metadata", "annotations");
      if (annotations["prometheus.io/scrape"] === "false") return [];
      const labels = Object.fromEntries(
        Object.entries(pod.metadata.labels ?? {}).map(([name, value]) => [name.replace(/[^a-zA-Z0-9_]/g, "_"), value]),
      );
      const { name, namespace = "default" } = pod.metadata;
      return [{
        targets: [`${ip}:${annotations["prometheus.io/port"] ?? portOf(pod)}`],
        labels: { ...labels, kubernetes_namespace: namespace, kubernetes_pod_name: name },
      }];
    });
  }

  #look(pod: KubeObject): void {
    const key = keyOf(pod);
    const known = this.#pods.get(key);
    const isGoing = pod.metadata.deletionTimestamp !== undefined;
    if (known === undefined && !isGoing) {
      const entry: Entry = {
        uid: pod.metadata.uid ?? "",
        pod,
        ip: this.#nextAddress(),
        startedAt: new Date(this.#options.clock.now()).toISOString(),
        restarts: 0,
        server: undefined,
        stopping: false,
      };
      this.#pods.set(key, entry);
      this.#background(key, this.#live(pod, entry));
    } else if (isGoing && known?.stopping !== true) {
      if (known !== undefined) known.stopping = true;
      this.#background(key, this.#end(pod, known));
    }
  }

  /** Deleted without grace. */
  #forget(key: string): void {
    const entry = this.#pods.get(key);
    this.#pods.delete(key);
    if (entry === undefined || entry.stopping) return;
    entry.stopping = true;
    this.#background(key, entry.server?.stop(0) ?? Promise.resolve());
  }

  #background(key: string, work: Promise<void>): void {
    void work.catch((error) => this.#options.log(`${key}: ${error instanceof Error ? error.message : error}`));
  }

  #nextAddress(): string {
    this.#given++;
    return `${this.#options.network}.${1 + Math.floor(this.#given / 250)}.${1 + this.#given % 250}`;
  }

  /** Runs the container, again and again, until the pod goes. */
  async #live(pod: KubeObject, entry: Entry): Promise<void> {
    const { clock } = this.#options;
    const [container] = listAt(pod, "spec", "containers");
    const behaviour = this.#options.behaviour(stringAt(container, "image") ?? "");
    const port = portOf(pod);
    const { name, namespace = "default" } = pod.metadata;
    while (!entry.stopping) {
      const server = startPodServer({ namespace, name, hostname: entry.ip, port, behaviour, clock });
      entry.server = server;
      await this.#report(pod, entry, { ready: false });
      if (await server.ready && !entry.stopping) await this.#report(pod, entry, { ready: true });
      await server.exited;
      if (entry.stopping) return;
      entry.restarts++;
      await this.#report(pod, entry, { ready: false, waiting: "CrashLoopBackOff" });
      await clock.sleep(Math.min(RESTART_MS_MAX, 500 * 2 ** entry.restarts));
    }
  }

  async #end(pod: KubeObject, entry: Entry | undefined): Promise<void> {
    const graceSeconds = numberAt(pod, "metadata", "deletionGracePeriodSeconds") ?? 30;
    await entry?.server?.stop(graceSeconds * 1000);
    this.#pods.delete(keyOf(pod));
    await callApi(this.#options.api, {
      method: "DELETE",
      path: pathOf(pod),
      body: { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid ?? "" } },
    });
  }

  async #report(
    pod: KubeObject,
    entry: Entry,
    state: { readonly ready: boolean; readonly waiting?: string },
  ): Promise<void> {
    const now = new Date(this.#options.clock.now()).toISOString();
    const hostIp = `${this.#options.network}.0.1`;
    const answer = await callApi(this.#options.api, {
      method: "PATCH",
      path: `${pathOf(pod)}/status`,
      contentType: "application/merge-patch+json",
      body: { metadata: { uid: entry.uid }, status: await podStatus(pod, { ...entry, ...state, now, hostIp }) },
    });
    if (answer.status >= 400 && answer.status !== 404) {
      this.#options.log(`${keyOf(pod)}: status ${answer.status} ${JSON.stringify(answer.body)}`);
    }
  }
}

function portOf(pod: KubeObject): number {
  return numberAt(pod, "spec", "containers", 0, "ports", 0, "containerPort") ?? PORT_DEFAULT;
}

function keyOf(pod: KubeObject): string {
  return `${pod.metadata.namespace}/${pod.metadata.name}`;
}

function pathOf(pod: KubeObject): string {
  return `/api/v1/namespaces/${pod.metadata.namespace}/pods/${pod.metadata.name}`;
}
