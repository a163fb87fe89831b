/**
 * The lock as a file: `.serin/<cluster>/<namespace>/<canary>/primary.yaml`. What goes in is decided here: no Secret in
 * any form, and copies of ConfigMaps only up to a bound; beyond it the source commit stands for them.
 */
import { canaryKey } from "../core/canary.ts";
import type { Lock } from "../core/decision.ts";
import { type Json, type KubeObject, objectAt } from "../core/kube_object.ts";
import { ledgerFolder, REVISION_ANNOTATION } from "../core/names.ts";
import { outlineOf, type Release, revisionOf, type TrackedConfig } from "../core/release.ts";
import type { FileView } from "../ports/source.ts";
import { Fields, readFields } from "./fields.ts";
import { inFixedOrder, ledgerText, parseLedgerText } from "./file_text.ts";

/** ConfigMap data beyond this, all tracked ones together, stays out of the file. */
export const CONFIGS_BYTES_MAX = 256 * 1024;

/** Paths of the files that declared a canary and its target when the lock was written. */
export interface DeclaredIn {
  readonly canary: string;
  readonly target: string;
}

/** What a lock file says besides the lock. */
export interface LockFile {
  readonly lock: Lock;
  /** null in files that do not say. */
  readonly declaredIn: DeclaredIn | null;
  /** Copies and declared data of ConfigMaps were left out; they are at `lock.release.commit`. */
  readonly configsOmitted: boolean;
}

/** Path of a canary's lock in the repository. */
export function lockPath(cluster: string, id: { readonly namespace: string; readonly name: string }): string {
  return `${ledgerFolder(cluster, id)}/primary.yaml`;
}

/**
 * The lock as its file can hold it: what a parse of the rendered file gives back. Compare digests of this, never of a
 * lock that has not been through it. Doing it twice changes nothing.
 */
export function committedLock(lock: Lock): Lock {
  return reduce(lock).lock;
}

function reduce(lock: Lock): { readonly lock: Lock; readonly omitted: boolean } {
  if (lock.release.rendering !== undefined) return { lock: renderedByEngine(lock), omitted: false };
  const encrypted = lock.release.configs.filter(isEncrypted).map(({ name }) => `${name}-primary`);
  const fits = configsBytes(lock) <= CONFIGS_BYTES_MAX;
  const copies = lock.configs.filter(({ kind, metadata }) =>
    kind === "ConfigMap" && !encrypted.some((prefix) => metadata.name.startsWith(prefix))
  );
  const configs = lock.release.configs.map((config): TrackedConfig => {
    const keep = fits && config.kind === "ConfigMap" && !isEncrypted(config);
    return keep ? config : { ...config, declared: null };
  });
  const omitted = !fits || copies.length < lock.configs.filter(({ kind }) => kind === "ConfigMap").length;
  return { lock: { ...lock, release: { ...lock.release, configs }, configs: fits ? copies : [] }, omitted };
}

/** What an engine rendered may hold values of Secrets, wherever they stand: names and images are all that is told of it. */
function renderedByEngine(lock: Lock): Lock {
  const told = (workload: KubeObject): KubeObject => {
    const outline = outlineOf(workload);
    const { selector: _values, ...spec } = objectAt(outline, "spec");
    return { ...outline, spec };
  };
  const { release } = lock;
  const outline = told(lock.primary);
  const annotations = { [REVISION_ANNOTATION]: release.revision };
  const primary = { ...outline, metadata: { ...outline.metadata, annotations } };
  return {
    ...lock,
    release: { ...release, target: told(release.target), configs: [], scaler: null },
    primary,
    configs: [],
  };
}

/** SOPS leaves its own section in what it encrypts; the copy of such a ConfigMap would hold the clear text. */
function isEncrypted({ declared }: TrackedConfig): boolean {
  return declared !== null && "sops" in declared;
}

/** Data is there twice, declared and copied; the bound is meant for either. */
function configsBytes(lock: Lock): number {
  const declared = lock.release.configs.flatMap(({ kind, declared }) =>
    kind === "ConfigMap" && declared !== null ? [declared] : []
  );
  const copies = lock.configs.filter(({ kind }) => kind === "ConfigMap");
  return Math.max(bytesOf(declared), bytesOf(copies));
}

function bytesOf(configs: readonly KubeObject[]): number {
  const encoder = new TextEncoder();
  let bytes = 0;
  for (const config of configs) {
    for (const [key, value] of [...Object.entries(config.data ?? {}), ...Object.entries(config.binaryData ?? {})]) {
      bytes += encoder.encode(key).length + encoder.encode(String(value)).length;
    }
  }
  return bytes;
}

/** Texts of locks that are about to be written: after a lost race the same one is wanted again, and time is short then. */
const rendered = new WeakMap<Lock, { readonly declaredIn: DeclaredIn | null; readonly text: string }>();

/**
 * The file's text, the same for the same lock.
 *
 * @param declaredIn so that another cluster's agent can tell whether its release comes from the same place, and a
 *   restarted one whether the canary was removed; null when it is not known
 */
export function renderLockFile(lock: Lock, declaredIn: DeclaredIn | null): string {
  const known = rendered.get(lock);
  const isSame = known?.declaredIn?.canary === declaredIn?.canary && known?.declaredIn?.target === declaredIn?.target;
  if (known !== undefined && isSame) return known.text;
  const text = lockText(lock, declaredIn);
  rendered.set(lock, { declaredIn, text });
  return text;
}

function lockText(lock: Lock, declaredIn: DeclaredIn | null): string {
  const { lock: { release, ...reduced }, omitted } = reduce(lock);
  return ledgerText("Primary", lock.canary, {
    about: [
      `What users of ${canaryKey(lock.canary)} are on in cluster ${JSON.stringify(lock.cluster.name)}.`,
      "Serin writes this file with each promotion and reads it as the truth; nothing applies it. To go back to an",
      "earlier release, revert the commit that changed it, or run: serin rollback.",
    ],
    body: {
      spec: {
        algorithm: reduced.algorithm,
        cluster: { name: reduced.cluster.name, uid: reduced.cluster.uid },
        decision: reduced.decision,
        ...(declaredIn === null ? {} : { declaredIn: { canary: declaredIn.canary, target: declaredIn.target } }),
        ...(omitted ? { configsOmitted: true } : {}),
        release: releaseFields(release),
        digests: inFixedOrder(reduced.digests),
        primary: objectFields(reduced.primary),
        configs: reduced.configs.map(objectFields),
      },
    },
  });
}

function releaseFields(release: Release): Readonly<Record<string, unknown>> {
  return {
    revision: release.revision,
    commit: release.commit,
    images: release.images.map(({ container, image }) => ({ container, image })),
    target: objectFields(release.target),
    configs: release.configs.map(({ kind, name, optional, digest, declared }) => ({
      kind,
      name,
      optional,
      digest,
      declared: declared === null ? null : objectFields(declared),
    })),
    scaler: release.scaler === null ? null : objectFields(release.scaler),
    ...(release.rendering === undefined ? {} : { rendering: { ...release.rendering } }),
  };
}

/** An object as it was parsed or made is JSON; its interface type only hides the index signature. */
function objectFields(object: KubeObject): Json {
  return inFixedOrder(object as unknown as Json);
}

/** Reads a lock file; a broken one says in one sentence what is wrong with it. */
export function parseLockFile(text: string): FileView<LockFile> {
  const parsed = parseLedgerText("Primary", text);
  if (parsed.type === "broken") return parsed;
  return readFields(parsed.object, (file) => {
    const metadata = file.map("metadata");
    const spec = file.map("spec");
    const cluster = spec.map("cluster");
    return {
      declaredIn: spec.orNull("declaredIn", (fields) => {
        const files = fields.map("declaredIn");
        return { canary: files.string("canary"), target: files.string("target") };
      }),
      configsOmitted: spec.orNull("configsOmitted", (fields) => fields.boolean("configsOmitted")) ?? false,
      lock: namedByContent({
        algorithm: spec.number("algorithm"),
        cluster: { name: cluster.string("name"), uid: cluster.string("uid") },
        canary: { namespace: metadata.string("namespace"), name: metadata.string("name") },
        decision: spec.string("decision"),
        release: readRelease(spec.map("release")),
        primary: spec.object("primary"),
        configs: spec.objects("configs"),
        digests: spec.texts("digests"),
      }),
    };
  });
}

/**
 * A lock whose manifest somebody edited and then adopted is another release, whatever revision it still states: else the
 * tip would count as that release, and no rollout would lead back to what Git declares.
 */
function namedByContent(lock: Lock): Lock {
  const { release, primary } = lock;
  const revision = revisionOf(release);
  if (revision === release.revision) return lock;
  const annotations = { ...primary.metadata.annotations, [REVISION_ANNOTATION]: revision };
  return {
    ...lock,
    release: { ...release, revision },
    primary: { ...primary, metadata: { ...primary.metadata, annotations } },
  };
}

function readRendering(release: Fields): Pick<Release, "rendering"> {
  const rendering = release.orNull("rendering", (fields) => {
    const hashes = fields.map("rendering");
    return {
      template: hashes.string("template"),
      rest: hashes.string("rest"),
      source: hashes.string("source"),
      owner: hashes.string("owner"),
    };
  });
  return rendering === null ? {} : { rendering };
}

function readRelease(release: Fields): Release {
  return {
    revision: release.string("revision"),
    commit: release.string("commit"),
    images: release.maps("images").map((image) => ({
      container: image.string("container"),
      image: image.string("image"),
    })),
    target: release.object("target"),
    configs: release.maps("configs").map((config): TrackedConfig => ({
      kind: config.word("kind", ["ConfigMap", "Secret"]),
      name: config.string("name"),
      optional: config.boolean("optional"),
      declared: config.orNull("declared", (fields) => fields.object("declared")),
      digest: config.orNull("digest", (fields) => fields.string("digest")),
    })),
    scaler: release.orNull("scaler", (fields) => fields.object("scaler")),
    ...readRendering(release),
  };
}
