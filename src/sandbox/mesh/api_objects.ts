/** Lists objects of an API that is served in several versions: each once, the newest version's copy. */
import type { KubeObject } from "../../core/kube_object.ts";
import type { ObjectSource } from "../object_source.ts";

export interface ApiKind {
  readonly group: string;
  /** Newest first. */
  readonly versions: readonly string[];
  readonly kind: string;
}

export const HTTP_ROUTES: ApiKind = {
  group: "gateway.networking.k8s.io",
  versions: ["v1", "v1beta1"],
  kind: "HTTPRoute",
};
export const GATEWAYS: ApiKind = { group: "gateway.networking.k8s.io", versions: ["v1", "v1beta1"], kind: "Gateway" };
const ISTIO = { group: "networking.istio.io", versions: ["v1", "v1beta1", "v1alpha3"] };
export const VIRTUAL_SERVICES: ApiKind = { ...ISTIO, kind: "VirtualService" };
export const ISTIO_GATEWAYS: ApiKind = { ...ISTIO, kind: "Gateway" };
export const DESTINATION_RULES: ApiKind = { ...ISTIO, kind: "DestinationRule" };

/** All objects of a kind, whichever of its versions they are stored in. */
export function listAll(objects: ObjectSource, { group, versions, kind }: ApiKind): readonly KubeObject[] {
  const found = new Map<string, KubeObject>();
  for (const version of versions) {
    for (const object of objects.list(`${group}/${version}`, kind)) {
      const key = `${object.metadata.namespace ?? ""}/${object.metadata.name}`;
      if (!found.has(key)) found.set(key, object);
    }
  }
  return [...found.values()];
}
