/**
 * A node whose pods serve nothing: each that is scheduled to it is reported as a kubelet would report it, running and
 * ready at once, and taken away when it is deleted. Thousands of them cost the machine their API objects alone.
 */
import type { Clock } from "../../src/ports/clock.ts";
import { type KubeObject, listAt, stringAt } from "../../src/core/kube_object.ts";
import type { Cluster } from "../../src/ports/cluster.ts";
import { podStatus } from "../../test/e2e/pods/pod_status.ts";
import { FIRST_SITE, hostOf } from "../../test/e2e/site.ts";
import { type ApiServer, callApi } from "../../test/wire/api_case.ts";

const HOST_IP = hostOf(FIRST_SITE);
/** Reports on their way at once. */
const PARALLEL = 32;

export interface SilentNode {
  /** Pods that wait to be reported or taken away. */
  readonly waiting: number;
  /** Pods that are ready. */
  readonly ready: number;
}

/** Resolves when pods are watched; it ends with the cluster. */
export async function startSilentNode(parts: {
  readonly cluster: Cluster;
  readonly api: ApiServer;
  readonly clock: Clock;
  readonly nodeName: string;
}): Promise<SilentNode> {
  const { cluster, api, clock, nodeName } = parts;
  const ready = new Set<string>();
  const gone = new Set<string>();
  const queue: (() => Promise<void>)[] = [];
  let running = 0;
  let given = 0;
  const run = (): void => {
    for (let work = running < PARALLEL ? queue.shift() : undefined; work !== undefined;) {
      running++;
      void work().finally(() => {
        running--;
        run();
      });
      work = running < PARALLEL ? queue.shift() : undefined;
    }
  };
  const later = (work: () => Promise<void>): void => {
    queue.push(work);
    run();
  };
  cluster.onChange((ref, pod) => {
    if (ref.kind !== "Pod") return;
    const uid = pod?.metadata.uid ?? "";
    if (pod === undefined || stringAt(pod, "spec", "nodeName") !== nodeName) return;
    if (pod.metadata.deletionTimestamp !== undefined) {
      if (gone.has(uid)) return;
      gone.add(uid);
      ready.delete(uid);
      later(() => takeAway(api, pod));
    } else if (!ready.has(uid)) {
      ready.add(uid);
      given++;
      if (isReady(pod)) return;
      const ip = `10.244.${1 + Math.floor(given / 250)}.${1 + given % 250}`;
      later(() => report(api, pod, { ip, now: new Date(clock.now()).toISOString() }));
    }
  });
  await cluster.watch({ apiVersion: "v1", kind: "Pod" });
  return {
    get waiting() {
      return queue.length + running;
    },
    get ready() {
      return ready.size;
    },
  };
}

function isReady(pod: KubeObject): boolean {
  return listAt(pod, "status", "conditions").some((condition) =>
    stringAt(condition, "type") === "Ready" && stringAt(condition, "status") === "True"
  );
}

function pathOf({ metadata }: KubeObject): string {
  return `/api/v1/namespaces/${metadata.namespace}/pods/${metadata.name}`;
}

async function report(
  api: ApiServer,
  pod: KubeObject,
  at: { readonly ip: string; readonly now: string },
): Promise<void> {
  const state = { ip: at.ip, hostIp: HOST_IP, startedAt: at.now, now: at.now, restarts: 0, ready: true };
  await callApi(api, {
    method: "PATCH",
    path: `${pathOf(pod)}/status`,
    contentType: "application/merge-patch+json",
    body: { metadata: { uid: pod.metadata.uid ?? "" }, status: await podStatus(pod, state) },
  });
}

async function takeAway(api: ApiServer, pod: KubeObject): Promise<void> {
  await callApi(api, {
    method: "DELETE",
    path: pathOf(pod),
    body: { gracePeriodSeconds: 0, preconditions: { uid: pod.metadata.uid ?? "" } },
  });
}
