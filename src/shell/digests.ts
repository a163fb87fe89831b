/** Digests of the images that really run, from the pods' statuses: a tag may be pushed twice, a digest may not. */
import { type KubeObject, listAt, objectAt, stringAt } from "../core/kube_object.ts";
import type { Cluster } from "../ports/cluster.ts";

/**
 * By declared image string. One LIST, once a rollout; pods of the newest template only, where the label that names it
 * tells them apart. Two digests under one tag are joined with a comma.
 */
export async function observedDigests(
  cluster: Cluster,
  workload: KubeObject,
  signal: AbortSignal,
): Promise<Readonly<Record<string, string>>> {
  const labels = Object.entries(objectAt(workload, "spec", "selector", "matchLabels"));
  const { namespace } = workload.metadata;
  if (labels.length === 0 || namespace === undefined) return {};
  const labelSelector = labels.map(([key, value]) => `${key}=${String(value)}`).join(",");
  const declared = new Set(
    [
      ...listAt(workload, "spec", "template", "spec", "containers"),
      ...listAt(workload, "spec", "template", "spec", "initContainers"),
    ]
      .flatMap((container) => stringAt(container, "image") ?? []),
  );
  const found = new Map<string, Set<string>>();
  for (const pod of await cluster.list({ apiVersion: "v1", kind: "Pod", namespace, labelSelector }, signal)) {
    for (const { image, digest } of runningImages(pod)) {
      if (!declared.has(image)) continue;
      found.set(image, (found.get(image) ?? new Set()).add(digest));
    }
  }
  return Object.fromEntries([...found].sort().map(([image, digests]) => [image, [...digests].sort().join(",")]));
}

/** Image strings as the pod's spec has them, with the digest that its status observed. */
function runningImages(pod: KubeObject): readonly { readonly image: string; readonly digest: string }[] {
  const images = new Map(
    [...listAt(pod, "spec", "containers"), ...listAt(pod, "spec", "initContainers")].map((container) =>
      [stringAt(container, "name") ?? "", stringAt(container, "image") ?? ""] as const
    ),
  );
  return [...listAt(pod, "status", "containerStatuses"), ...listAt(pod, "status", "initContainerStatuses")].flatMap(
    (status) => {
      const image = images.get(stringAt(status, "name") ?? "");
      const digest = /sha256:[0-9a-f]{64}/.exec(stringAt(status, "imageID") ?? "")?.[0];
      return image === undefined || digest === undefined ? [] : [{ image, digest }];
    },
  );
}
