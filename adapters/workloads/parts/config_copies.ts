/**
 * The primary's own copies of the configs that its pod template names: immutable and named by content, so that a
 * promotion never changes a file under a running pod.
 */
import type { Canary } from "../../../src/core/canary.ts";
import { digestOf } from "../../../src/core/digest.ts";
import type { KubeObject } from "../../../src/core/kube_object.ts";
import type { Release, TrackedConfig } from "../../../src/core/release.ts";
import { derivedLabels } from "../../derived.ts";
import type { Rename } from "./config_names.ts";

/** Opts a config out of being copied, when its value starts with "disable". */
export const TRACKING_ANNOTATION = "flagger.app/config-tracking";
const NAME_LENGTH_MAX = 253;

/** Live Secrets to copy, by name; the suffix is a keyed hash of their content. */
export type Secrets = ReadonlyMap<string, { readonly object: KubeObject; readonly suffix: string }>;

export interface ConfigCopies {
  readonly objects: readonly KubeObject[];
  readonly rename: Rename;
}

/** Copies of a release's configs; those that Git does not declare, or that may not be read, are shared with the original. */
export function configCopies(canary: Canary, release: Release, secrets: Secrets): ConfigCopies {
  const copies = release.configs.flatMap((config) => {
    const copy = config.kind === "ConfigMap" ? configMapCopy(canary, config) : secretCopy(canary, config, secrets);
    return copy === null ? [] : [{ config, copy }];
  });
  const names = new Map(copies.map(({ config, copy }) => [`${config.kind}/${config.name}`, copy.metadata.name]));
  return {
    objects: copies.map(({ copy }) => copy),
    rename: (kind, name) => names.get(`${kind}/${name}`) ?? name,
  };
}

/** Name of a copy; a name that is too long loses its middle, never what tells contents apart. */
export function copyName(name: string, suffix: string): string {
  const tail = `-primary-${suffix}`;
  return `${name.slice(0, NAME_LENGTH_MAX - tail.length)}${tail}`;
}

function configMapCopy(canary: Canary, { name, declared }: TrackedConfig): KubeObject | null {
  if (declared === null || declared.kind !== "ConfigMap" || !isTracked(declared)) return null;
  const content = {
    ...(declared.data === undefined ? {} : { data: declared.data }),
    ...(declared.binaryData === undefined ? {} : { binaryData: declared.binaryData }),
  };
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: copyName(name, digestOf(content, 10)),
      namespace: canary.id.namespace,
      labels: derivedLabels(canary),
    },
    immutable: true,
    ...content,
  };
}

function secretCopy(canary: Canary, { name, declared }: TrackedConfig, secrets: Secrets): KubeObject | null {
  const found = secrets.get(name);
  if (found === undefined || (declared !== null && !isTracked(declared)) || !isTracked(found.object)) return null;
  const { type, data } = found.object;
  return {
    apiVersion: "v1",
    kind: "Secret",
    metadata: { name: copyName(name, found.suffix), namespace: canary.id.namespace, labels: derivedLabels(canary) },
    immutable: true,
    ...(type === undefined ? {} : { type }),
    ...(data === undefined ? {} : { data }),
  };
}

function isTracked(object: KubeObject): boolean {
  return !(object.metadata.annotations?.[TRACKING_ANNOTATION] ?? "").startsWith("disable");
}
