/**
 * The release unit: what a rollout ships, as Git declares it, and the revision that names it. The lock holds one, so
 * that lock and candidate can always be compared by content under the running code.
 */
import { digestOf } from "./digest.ts";
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from "./kube_object.ts";

/** Bumped when the canonical form changes; a lock of an older version is compared by content, never by its hash. */
export const REVISION_ALGORITHM = 1;

export interface Image {
  readonly container: string;
  /** The image string as declared. */
  readonly image: string;
}

/** A ConfigMap or Secret that the pod template names, as Git declares it; null when it is not in Git. */
export interface TrackedConfig {
  readonly kind: "ConfigMap" | "Secret";
  readonly name: string;
  readonly optional: boolean;
  /** The declaring manifest (for Secrets possibly a SealedSecret or ExternalSecret), or null. Never in a lock for Secrets. */
  readonly declared: KubeObject | null;
  /** Digest of the declared content; null when it is not in Git. */
  readonly digest: string | null;
}

/** A declared config as the release unit tracks it. */
export function trackedConfig(named: ConfigName, declared: KubeObject | null): TrackedConfig {
  return { ...named, declared, digest: declared === null ? null : digestOf(contentOf(declared)) };
}

/**
 * What an engine rendered, and the agent only read: known by keyed hashes, since it may hold values of Secrets. Its content
 * is in the cluster alone.
 */
export interface Rendering {
  /** Of the pod template as the engine wrote it: the release's revision. */
  readonly template: string;
  /** Of the same without its images: releases of one rest differ in nothing else. */
  readonly rest: string;
  /** Of what it was rendered from, as the engine tells it. */
  readonly source: string;
  /** The engine's object that rendered it: "helm.toolkit.fluxcd.io/HelmRelease prod/shop". */
  readonly owner: string;
}

export interface Release {
  readonly revision: string;
  /** Commit it was read from, 40 hex digits. */
  readonly commit: string;
  readonly images: readonly Image[];
  /** The target manifest as Git declares it. */
  readonly target: KubeObject;
  readonly configs: readonly TrackedConfig[];
  /** The autoscaler's manifest as Git declares it, or null. Does not enter the revision. */
  readonly scaler: KubeObject | null;
  /** Only where an engine renders (`render: live`): `target` is an outline then, and configs are not tracked. */
  readonly rendering?: Rendering;
}

export interface ConfigName {
  readonly kind: "ConfigMap" | "Secret";
  readonly name: string;
  readonly optional: boolean;
}

/** The pod template of a workload manifest. */
export function podTemplateOf(target: KubeObject): JsonObject {
  const template = at(target, "spec", "template");
  return isJsonObject(template) ? template : {};
}

function containersOf(template: JsonObject): readonly Json[] {
  return [...listAt(template, "spec", "initContainers"), ...listAt(template, "spec", "containers")];
}

/** Declared image of every container, init containers first, in the order of the manifest. */
export function imagesOf(target: KubeObject): readonly Image[] {
  return containersOf(podTemplateOf(target)).flatMap((container) => {
    const image = stringAt(container, "image");
    return image === undefined ? [] : [{ container: stringAt(container, "name") ?? "", image }];
  });
}

/** The workload with other images, by container; containers that are not named, or have none, stay as they are. */
export function withImages(target: KubeObject, images: ReadonlyMap<string, string>): KubeObject {
  const template = podTemplateOf(target);
  const podSpec = objectAt(template, "spec");
  const replace = (list: string): Json =>
    listAt(podSpec, list).map((container): Json => {
      const image = images.get(stringAt(container, "name") ?? "");
      return isJsonObject(container) && image !== undefined && container["image"] !== undefined
        ? { ...container, image }
        : container;
    });
  const lists = ["initContainers", "containers"].filter((list) => podSpec[list] !== undefined);
  const spec = { ...podSpec, ...Object.fromEntries(lists.map((list) => [list, replace(list)])) };
  return { ...target, spec: { ...target.spec, template: { ...template, spec } } };
}

/** What may be remembered of a workload that an engine rendered: how it is called, how its pods are told, its images. */
export function outlineOf(workload: KubeObject): KubeObject {
  const { apiVersion, kind, metadata: { name, namespace } } = workload;
  const podSpec = objectAt(podTemplateOf(workload), "spec");
  const outlined = (list: string): Readonly<Record<string, Json>> => {
    const containers = listAt(podSpec, list).map((container): Json => {
      const [called, image] = [stringAt(container, "name") ?? "", stringAt(container, "image")];
      return image === undefined ? { name: called } : { name: called, image };
    });
    return containers.length === 0 ? {} : { [list]: containers };
  };
  const selector = at(workload, "spec", "selector");
  return {
    apiVersion,
    kind,
    metadata: { name, ...(namespace === undefined ? {} : { namespace }) },
    spec: {
      ...(selector === undefined ? {} : { selector }),
      template: { spec: { ...outlined("initContainers"), ...outlined("containers") } },
    },
  };
}

/**
 * ConfigMaps and Secrets that a pod template names: volumes (also projected), `env.valueFrom` and `envFrom` of
 * containers and init containers. Sorted, each once; optional only if every mention is.
 */
export function configNamesOf(template: JsonObject): readonly ConfigName[] {
  const found = new Map<string, ConfigName>();
  const add = (kind: ConfigName["kind"], source: unknown, nameKey: string): void => {
    const name = stringAt(source, nameKey);
    if (name === undefined) return;
    const key = `${kind}/${name}`;
    const optional = at(source, "optional") === true && (found.get(key)?.optional ?? true);
    found.set(key, { kind, name, optional });
  };
  for (const volume of listAt(template, "spec", "volumes")) {
    add("ConfigMap", at(volume, "configMap"), "name");
    add("Secret", at(volume, "secret"), "secretName");
    for (const source of listAt(volume, "projected", "sources")) {
      add("ConfigMap", at(source, "configMap"), "name");
      add("Secret", at(source, "secret"), "name");
    }
  }
  for (const container of containersOf(template)) {
    for (const env of listAt(container, "env")) {
      add("ConfigMap", at(env, "valueFrom", "configMapKeyRef"), "name");
      add("Secret", at(env, "valueFrom", "secretKeyRef"), "name");
    }
    for (const env of listAt(container, "envFrom")) {
      add("ConfigMap", at(env, "configMapRef"), "name");
      add("Secret", at(env, "secretRef"), "name");
    }
  }
  return [...found.entries()].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, name]) => name);
}

/** What of a declared config enters the revision: its content, not its labels. */
function contentOf(declared: KubeObject | null): Json {
  if (declared === null) return null;
  const { apiVersion, kind, metadata: _metadata, status: _status, ...rest } = declared;
  return { apiVersion, kind, ...rest } as Json;
}

/**
 * Names the release unit: pod template and declared configs in canonical form. Replica counts, labels of the
 * workload itself, key order, and anything a server or sidecar injector adds do not enter.
 */
export function revisionOf(unit: Pick<Release, "target" | "configs" | "rendering">): string {
  if (unit.rendering !== undefined) return unit.rendering.template;
  return digestOf({
    template: podTemplateOf(unit.target),
    configs: unit.configs.map(({ kind, name, declared, digest }) => ({
      kind,
      name,
      content: declared === null ? digest : digestOf(contentOf(declared)),
    })),
  });
}

/** Assembles a release from the manifests of one commit. `find` answers what Git declares under a kind and name. */
export function releaseOf(
  commit: string,
  target: KubeObject,
  find: (kind: ConfigName["kind"], name: string) => KubeObject | null,
  options: { readonly scaler: KubeObject | null; readonly tracking: boolean },
): Release {
  const configs = options.tracking
    ? configNamesOf(podTemplateOf(target)).map((named) => trackedConfig(named, find(named.kind, named.name)))
    : [];
  return {
    revision: revisionOf({ target, configs }),
    commit,
    images: imagesOf(target),
    target,
    configs,
    scaler: options.scaler,
  };
}
