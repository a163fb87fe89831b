/**
 * Which pods are scraped, and under which labels: those of the Prometheus that Flagger bundles
 * (`kubernetes_namespace`, `kubernetes_pod_name`, the pod's own labels) and the plain `namespace` and `pod` of others.
 */
import type { KubeObject } from "../../core/kube_object.ts";
import { stringAt } from "../../core/kube_object.ts";
import type { AddressOf, ObjectSource } from "../object_source.ts";
import type { ScrapeTarget } from "./scraper.ts";

/**
 * One target for each pod whose process listens. The annotation `prometheus.io/scrape: "false"` leaves a pod out (the
 * bundled Prometheus wants "true" instead; a demo should not be blind for want of an annotation), and
 * `prometheus.io/path` names another page than /metrics.
 */
export function podTargets(objects: ObjectSource, addressOf: AddressOf): readonly ScrapeTarget[] {
  return objects.list("v1", "Pod").flatMap((pod) => {
    const { name, namespace = "default", annotations } = pod.metadata;
    const address = addressOf(namespace, name);
    if (address === undefined || annotations?.["prometheus.io/scrape"] === "false" || isOver(pod)) return [];
    const path = annotations?.["prometheus.io/path"] ?? "/metrics";
    const labels = {
      ...podLabels(pod),
      job: "kubernetes-pods",
      kubernetes_namespace: namespace,
      kubernetes_pod_name: name,
      namespace,
      pod: name,
    };
    return [{ url: `http://${address.hostname}:${address.port}${path}`, labels }];
  });
}

function podLabels(pod: KubeObject): Readonly<Record<string, string>> {
  const entries = Object.entries(pod.metadata.labels ?? {});
  return Object.fromEntries(entries.map(([name, value]) => [name.replace(/[^a-zA-Z0-9_]/g, "_"), value]));
}

function isOver(pod: KubeObject): boolean {
  return ["Succeeded", "Failed"].includes(stringAt(pod, "status", "phase") ?? "");
}
