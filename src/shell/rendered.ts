/**
 * What an engine rendered, read off the live target: the fields that the engine owns, their keyed hashes, and the primary
 * made from them. Reads only. What it returns may hold values of Secrets: it goes into a Secret or nowhere.
 */
import { createHmac } from "node:crypto";
import type { Canary } from "../core/canary.ts";
import { canonicalJson, digestOf } from "../core/digest.ts";
import { at, type KubeObject, type ObjectRef } from "../core/kube_object.ts";
import { REVISION_ANNOTATION } from "../core/names.ts";
import type { ComparisonView } from "../core/observation.ts";
import { ownedPart } from "../core/owned_fields.ts";
import {
  configNamesOf,
  imagesOf,
  outlineOf,
  podTemplateOf,
  type Release,
  trackedConfig,
  withImages,
} from "../core/release.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { EngineAdapter } from "../ports/engine.ts";
import type { PrimaryParts, WorkloadAdapter } from "../ports/workload.ts";
import { observedDigests } from "./digests.ts";
import { secretCopies } from "./secrets.ts";

/** As long as other revisions are. */
const HASH_LENGTH = 12;

/** One GET: watch caches keep no managedFields. */
export interface RenderedTarget {
  readonly live: KubeObject;
  /** The part that the engine wrote; all of its spec where the object does not say who wrote what. */
  readonly owned: KubeObject;
}

export async function readTarget(
  cluster: Pick<Cluster, "live">,
  { ref, engine }: { readonly ref: ObjectRef; readonly engine: EngineAdapter },
  signal: AbortSignal,
): Promise<RenderedTarget | undefined> {
  const live = await cluster.live(ref, signal);
  if (live === undefined) return undefined;
  return { live, owned: ownedPart(live, engine.writes) ?? live };
}

/** Names a text without telling anything of it. */
export function keyedHash(key: string, text: string): string {
  return createHmac("sha256", key).update(text).digest("hex").slice(0, HASH_LENGTH);
}

/** Keyed hashes of a template, and of the same without its images. */
export function templateHashes(key: string, owned: KubeObject): { readonly template: string; readonly rest: string } {
  const blank = withImages(owned, new Map(imagesOf(owned).map(({ container }) => [container, ""])));
  const hash = (target: KubeObject): string => keyedHash(key, canonicalJson(podTemplateOf(target)));
  return { template: hash(owned), rest: hash(blank) };
}

export interface PrimaryInput {
  readonly canary: Canary;
  readonly workload: WorkloadAdapter;
  readonly owned: KubeObject;
  readonly revision: string;
  readonly key: string;
}

/** The primary, and the copies of ConfigMaps as they are in the cluster: what the engine rendered is nowhere else. */
export async function primaryFrom(
  cluster: Pick<Cluster, "live">,
  { canary, workload, owned, revision, key }: PrimaryInput,
  signal: AbortSignal,
): Promise<PrimaryParts> {
  const { namespace } = canary.id;
  const named = canary.configTracking === "off" ? [] : configNamesOf(podTemplateOf(owned));
  const configs = await Promise.all(named.map(async (config) => {
    const { kind, name } = config;
    const live = kind === "Secret"
      ? undefined
      : await cluster.live({ apiVersion: "v1", kind, namespace, name }, signal);
    return trackedConfig(config, live === undefined ? null : contentOf(live));
  }));
  const release: Release = { revision, commit: "", images: imagesOf(owned), target: owned, configs, scaler: null };
  return workload.primary(canary, release, await secretCopies(cluster, { canary, release, key }, signal));
}

function contentOf({ apiVersion, kind, metadata, data, binaryData }: KubeObject): KubeObject {
  const { name, namespace, annotations } = metadata;
  return {
    apiVersion,
    kind,
    metadata: {
      name,
      ...(namespace === undefined ? {} : { namespace }),
      ...(annotations === undefined ? {} : { annotations }),
    },
    ...(data === undefined ? {} : { data }),
    ...(binaryData === undefined ? {} : { binaryData }),
  };
}

/** What may be remembered of a primary that was rendered by an engine. */
export function outlineOfPrimary(primary: KubeObject, revision: string): KubeObject {
  const outline = outlineOf(primary);
  return { ...outline, metadata: { ...outline.metadata, annotations: { [REVISION_ANNOTATION]: revision } } };
}

/** The live target beside a dry run of the primary made from it; only outlines leave here. */
export async function compareRendered(
  cluster: Cluster,
  input: Omit<PrimaryInput, "owned" | "revision"> & {
    readonly release: Release;
    readonly ref: ObjectRef;
    readonly engine: EngineAdapter;
  },
  signal: AbortSignal,
): Promise<ComparisonView> {
  const { canary, workload, release, key } = input;
  const read = await readTarget(cluster, input, signal);
  const nothing = { templateDigest: "", primary: release.target, configs: [], digests: {} };
  if (read === undefined) return { ...nothing, difference: "the target is not in the cluster" };
  const { live, owned } = read;
  const { template } = templateHashes(key, owned);
  const templateDigest = digestOf(at(live, "spec", "template") ?? null);
  if (template !== release.revision) {
    const difference = `spec.template: the engine has rendered revision ${template} by now, not ${release.revision}`;
    return { ...nothing, templateDigest, difference };
  }
  const parts = await primaryFrom(cluster, { canary, workload, owned, revision: release.revision, key }, signal);
  const dry = await cluster.apply(parts.workload, { dryRun: true, force: true, signal });
  return {
    difference: workload.difference(canary, live, dry),
    templateDigest,
    primary: outlineOfPrimary(parts.workload, release.revision),
    configs: [],
    digests: await observedDigests(cluster, live, signal),
  };
}
