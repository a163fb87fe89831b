/**
 * The release unit: what a rollout ships, as Git declares it, and the revision that names it. The lock holds one, so
 * that lock and candidate can always be compared by content under the running code.
 */
import { digestOf } from "./digest.ts";
import { at, isJsonObject, type Json, type JsonObject, type KubeObject, listAt, stringAt } from "./kube_object.ts";

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
export function revisionOf(unit: Pick<Release, "target" | "configs">): string {
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
