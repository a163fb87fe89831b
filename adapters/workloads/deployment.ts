/** Deployments: the primary made from a release, readiness, and what speaks against a copy beside the target. */
import type { Canary } from "../../src/core/canary.ts";
import { digestOf } from "../../src/core/digest.ts";
import {
  at,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  numberAt,
  objectAt,
  stringAt,
} from "../../src/core/kube_object.ts";
import { namesOf, REVISION_ANNOTATION } from "../../src/core/names.ts";
import { configNamesOf, podTemplateOf, type Release } from "../../src/core/release.ts";
import { NO_WORKLOAD, type WorkloadView } from "../../src/core/workload.ts";
import type { PrimaryParts, WorkloadAdapter } from "../../src/ports/workload.ts";
import { derivedLabels, objectMetadata, podMetadata, sorted } from "../derived.ts";
import { configCopies, type Secrets } from "./parts/config_copies.ts";
import { withConfigNames } from "./parts/config_names.ts";
import { findSelector, type PodSelector, SELECTOR_KEYS, selectorOf, withPrimaryTerms } from "./parts/selector.ts";
import { firstDifference, managerOf, withoutPath } from "./parts/template_difference.ts";

/** @see https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/deployment-v1/ */
export const deployment = {
  id: "apps/v1/Deployment",
  apiVersion: "apps/v1",
  kind: "Deployment",
  read,
  primary,
  target,
  difference,
  refusal,
  replicas: (object) => numberAt(object, "spec", "replicas") ?? null,
} as const satisfies WorkloadAdapter;

/**
 * Counts of the newest template. A Deployment's status does not say how many available pods are of which template, so
 * that old pods are taken to be available: `ready` is never too high.
 */
function read(live: KubeObject | undefined): WorkloadView {
  if (live === undefined) return NO_WORKLOAD;
  const { status } = live;
  const count = (key: string): number => numberAt(status, key) ?? 0;
  const generation = live.metadata.generation ?? 0;
  const observed = count("observedGeneration") >= generation;
  const updated = count("updatedReplicas");
  const old = Math.max(0, count("replicas") - updated);
  const template = at(live, "spec", "template");
  return {
    exists: true,
    replicas: numberAt(live, "spec", "replicas") ?? 1,
    ready: Math.min(updated, Math.max(0, count("availableReplicas") - old)),
    updated,
    available: count("availableReplicas"),
    old,
    observed,
    failed: observed ? givenUp(live) : null,
    paused: at(live, "spec", "paused") === true,
    templateDigest: template === undefined ? null : digestOf(template),
    revision: stringAt(template, "metadata", "annotations", REVISION_ANNOTATION) ?? null,
    generation,
    deleting: live.metadata.deletionTimestamp !== undefined,
  };
}

/** Why the controller gave up, as a sentence, or null. */
function givenUp(live: KubeObject): string | null {
  const condition = listAt(live, "status", "conditions").find((one) => stringAt(one, "type") === "Progressing");
  if (stringAt(condition, "reason") !== "ProgressDeadlineExceeded") return null;
  const message = stringAt(condition, "message");
  return `Deployment "${live.metadata.name}" exceeded its progress deadline${
    message === undefined ? "" : `: ${message}`
  }`;
}

function primary(canary: Canary, release: Release, secrets: Secrets): PrimaryParts {
  const selector = selectorOf(release.target);
  const copies = configCopies(canary, release, secrets);
  const template = podTemplateOf(release.target);
  const metadata = objectAt(template, "metadata");
  const podSpec = withConfigNames(withPrimaryTerms(objectAt(template, "spec"), selector), copies.rename);
  const { replicas: _replicas, paused: _paused, ...spec } = objectAt(release.target, "spec");
  const revision = { [REVISION_ANNOTATION]: release.revision };
  const own = release.target.metadata;
  const workload: KubeObject = {
    apiVersion: deployment.apiVersion,
    kind: deployment.kind,
    metadata: {
      name: namesOf(canary).primary,
      namespace: canary.id.namespace,
      labels: sorted({
        ...objectMetadata(own.labels),
        [selector.key]: selector.primaryValue,
        ...derivedLabels(canary),
      }),
      annotations: sorted({ ...objectMetadata(own.annotations), ...revision }),
    },
    spec: {
      ...spec,
      selector: { matchLabels: { [selector.key]: selector.primaryValue } },
      template: {
        ...template,
        metadata: {
          labels: sorted({ ...podMetadata(stringMap(metadata, "labels")), [selector.key]: selector.primaryValue }),
          annotations: sorted({ ...podMetadata(stringMap(metadata, "annotations")), ...revision }),
        },
        spec: podSpec,
      },
    },
  };
  return { workload, configs: copies.objects };
}

function stringMap(metadata: JsonObject, key: string): Readonly<Record<string, string>> {
  return Object.fromEntries(
    Object.entries(objectAt(metadata, key)).flatMap(([name, value]) =>
      typeof value === "string" ? [[name, value]] : []
    ),
  );
}

/**
 * What Git declares and nothing that a server adds, with its revision on the object (never on its pods). Replicas
 * belong to a scaler or the scale subresource.
 */
function target(canary: Canary, release: Release): KubeObject {
  const { metadata, spec, apiVersion, kind } = release.target;
  const { replicas: _replicas, ...rest } = spec ?? {};
  return {
    apiVersion,
    kind,
    metadata: {
      name: metadata.name,
      namespace: metadata.namespace ?? canary.id.namespace,
      ...(metadata.labels === undefined ? {} : { labels: metadata.labels }),
      annotations: { ...metadata.annotations, [REVISION_ANNOTATION]: release.revision },
    },
    spec: rest,
  };
}

function difference(canary: Canary, live: KubeObject, dryRunPrimary: KubeObject): string | null {
  const selector = selectorOf(live);
  const ignored = (template: Json): Json => canary.promotion.ignoreTemplateFields.reduce(withoutPath, template);
  const fromLive = comparable(podTemplateOf(live), { selector, rename: (name) => name, ignored });
  const liveNames = configNamesOf(podTemplateOf(live)).map(({ kind, name }) => `${kind}/${name}`);
  const original = (name: string, kind: string): string => originalName(kind, name, liveNames);
  const fromPrimary = comparable(podTemplateOf(dryRunPrimary), { selector, rename: original, ignored });
  const found = firstDifference(fromLive, fromPrimary);
  if (found === null) return null;
  const manager = managerOf(live, found.steps);
  return `${found.path}: ${found.why}${manager === undefined ? "" : ` (written by "${manager}")`}`;
}

interface Comparing {
  readonly selector: PodSelector;
  readonly rename: (name: string, kind: "ConfigMap" | "Secret") => string;
  readonly ignored: (template: Json) => Json;
}

/** A template with the target's label values turned into the primary's, copies' names into the originals', ours left out. */
function comparable(template: JsonObject, { selector, rename, ignored }: Comparing): Json {
  const labels = podMetadata(stringMap(objectAt(template, "metadata"), "labels"));
  const annotations = podMetadata(stringMap(objectAt(template, "metadata"), "annotations"));
  const ownLabel = labels[selector.key] === undefined ? {} : { [selector.key]: selector.primaryValue };
  return ignored({
    metadata: {
      labels: { ...labels, ...ownLabel },
      ...(Object.keys(annotations).length === 0 ? {} : { annotations }),
    },
    spec: withConfigNames(withPrimaryTerms(objectAt(template, "spec"), selector), (kind, name) => rename(name, kind)),
  });
}

/** The longest name of the live target that a copy's name was made from, or the name itself. */
function originalName(kind: string, name: string, liveNames: readonly string[]): string {
  if (liveNames.includes(`${kind}/${name}`)) return name;
  const found = liveNames
    .filter((known) => `${kind}/${name}`.startsWith(`${known}-primary-`))
    .sort((a, b) => b.length - a.length)[0];
  return found === undefined ? name : found.slice(kind.length + 1);
}

function refusal(canary: Canary, object: KubeObject): string | null {
  if (findSelector(object) === undefined) {
    return `spec.selector.matchLabels has none of ${
      SELECTOR_KEYS.join(", ")
    }, so the pods of a copy could not be told apart`;
  }
  const pod = objectAt(podTemplateOf(object), "spec");
  if (pod["hostNetwork"] === true) return "hostNetwork: two copies on one node would want the same ports";
  for (const container of [...listAt(pod, "initContainers"), ...listAt(pod, "containers")]) {
    const port = listAt(container, "ports").map((one) => numberAt(one, "hostPort")).find((one) =>
      one !== undefined && one > 0
    );
    if (port !== undefined) return `hostPort ${port}: two copies on one node would want the same port`;
  }
  for (const volume of listAt(pod, "volumes")) {
    const name = stringAt(volume, "name") ?? "";
    const claim = stringAt(volume, "persistentVolumeClaim", "claimName");
    const shared = claim !== undefined && at(volume, "persistentVolumeClaim", "readOnly") !== true;
    if (shared && !canary.promotion.allowSharedState.includes(name)) {
      return `volume "${name}" would be written by two copies (claim "${claim}"): mount it read-only, or name the volume in ` +
        "spec.promotion.allowSharedState";
    }
  }
  return null;
}
