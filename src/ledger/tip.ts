/**
 * The tip as one group of decisions sees it: each is planned on what the ones before it will have written. Reads
 * through the snapshot, and fetches an older commit only where a plan asks for it. Writes nothing.
 */
import { canaryKey } from "../core/canary.ts";
import {
  type Catalogue,
  type CatalogueEntry,
  isUndeclared,
  type Manifest,
  type ManifestPlace,
} from "../core/catalogue.ts";
import type { ClusterIdentity, Decision } from "../core/decision.ts";
import { type KubeObject, type ObjectRef, refKey, refOf } from "../core/kube_object.ts";
import { type Release, releaseOf } from "../core/release.ts";
import type { CommitInfo, FileEdit, GitRemote, Oid, Snapshot } from "../ports/git.ts";
import type { FileView } from "../ports/source.ts";
import { type LockFile, lockPath, parseLockFile } from "./lock_file.ts";
import { type ForeignLock, type Plan, planDecision, type PlanTip } from "./plan.ts";
import type { ReleaseRenderer } from "./places/release_renderer.ts";
import type { Carrier, Rendered } from "./places/restore_places.ts";
import type { Original } from "./restore_edit.ts";
import type { FileText } from "./splice.ts";
import { parseStatusFile, statusPath } from "./status_file.ts";
import { trailerValues } from "./trailers.ts";
import { decode } from "./yaml_file.ts";

/** How the writer learns what manifests say; the source knows. */
export interface ManifestReader {
  /** What a snapshot declares; of a later commit where the snapshot is no longer the tip. */
  catalogue(snapshot: Snapshot, signal?: AbortSignal): Promise<Catalogue>;
  /** One file's manifests, as the catalogue has them; none where it does not parse. */
  parse(path: string, content: Uint8Array<ArrayBuffer>): readonly Manifest[];
}

export interface TipOptions {
  readonly snapshot: Snapshot;
  readonly catalogue: Catalogue;
  readonly log: readonly CommitInfo[];
  readonly cluster: ClusterIdentity;
  readonly remote: Pick<GitRemote, "at">;
  readonly reader: Pick<ManifestReader, "parse">;
  /** Absent: what is rendered is never put back, only what is applied as written. */
  readonly renderer?: ReleaseRenderer | undefined;
}

export class Tip {
  readonly #options: TipOptions;
  readonly #edited = new Map<string, Uint8Array<ArrayBuffer> | null>();
  readonly #listings = new Map<string, ReadonlySet<string>>();
  /** Files of other clusters' ledgers. */
  #foreign: readonly string[] | undefined;

  constructor(options: TipOptions) {
    this.#options = options;
  }

  /**
   * Plans a decision, and takes what it would write as written.
   *
   * @throws {UnavailableError} an older commit is needed and cannot be had now
   */
  async plan(decision: Decision, signal?: AbortSignal): Promise<Plan> {
    const tip = await this.#load(decision, signal);
    const originals = new Map<string, Original>();
    const original = (path: string): Original => originals.get(path);
    let rendered: Rendered = { type: "unknown" };
    const again = (): Plan => {
      const rendering = tip.rendering === undefined
        ? {}
        : { rendering: { ...tip.rendering, rendered: () => rendered } };
      return planDecision(decision, { ...tip, original, ...rendering }, this.#options.cluster);
    };
    let plan = again();
    // Ends: each time at least one more file of the release unit is known, if only as not to be had; and edits are the
    // same for the same files, so that one rendering of them is enough.
    while (plan.type === "needs-original" || plan.type === "needs-rendering") {
      if (plan.type === "needs-rendering") rendered = await this.#render(tip, plan.edits, signal);
      else {for (const [path, content] of await this.#originals(decision, plan.paths, signal)) {
          originals.set(path, content);
        }}
      plan = again();
    }
    if (plan.type === "commit") {
      for (const { path, content } of plan.edits) this.#edited.set(path, content);
    }
    return plan;
  }

  async #load(decision: Decision, signal: AbortSignal | undefined): Promise<PlanTip> {
    const { snapshot, catalogue, cluster, reader } = this.#options;
    const found = catalogue.entries.get(canaryKey(decision.canary));
    const entry = found === undefined ? undefined : await this.#entryNow(found, signal);
    // Only who puts manifests back has to know where images are written.
    const carriers = decision.manifests === null ? null : await this.#carriers(entry, decision, signal);
    const isWritten = decision.manifests !== null && entry?.type === "canary";
    const places = isWritten ? [entry.target, ...entry.configs].map(({ place }) => place.file) : [];
    const files = new Map<string, FileText>();
    for (const path of new Set([...places, ...carriers?.map(({ place }) => place.file) ?? []])) {
      const file = await this.#file(path);
      if (file !== undefined) files.set(path, file);
    }
    return {
      commit: snapshot.commit,
      entry,
      entries: catalogue.entries,
      lock: await this.#view(lockPath(cluster.name, decision.canary), parseLockFile),
      status: await this.#view(statusPath(cluster.name, decision.canary), parseStatusFile),
      foreignLocks: await this.#foreignLocks(decision),
      targetUndeclared: isUndeclared(catalogue, targetOf(decision)),
      landed: this.#landed(decision),
      file: (path) => files.get(path) ?? null,
      original: () => undefined,
      parse: (path, content) => reader.parse(path, content),
      ...(carriers === null ? {} : { rendering: { carriers, rendered: () => ({ type: "unknown" }) } }),
    };
  }

  /** null: the release is not rendered, or nobody can say how. */
  async #carriers(
    entry: CatalogueEntry | undefined,
    { release, quarantine }: Decision,
    signal: AbortSignal | undefined,
  ): Promise<readonly Carrier[] | null> {
    const { renderer, snapshot } = this.#options;
    const isRendered = entry?.type === "canary" && entry.canary.render !== "manifests";
    if (!isRendered || renderer === undefined) return null;
    // Where an engine renders, nothing but the decision says what the target runs.
    const isLive = entry.canary.render === "live";
    const judged = isLive ? { ...entry, release: quarantine?.release ?? release } : entry;
    return await renderer.carriers(judged, snapshot, signal);
  }

  /** With the edits of the decisions before this one, which the tip has by then. */
  async #render(
    { entry }: PlanTip,
    edits: readonly FileEdit[],
    signal: AbortSignal | undefined,
  ): Promise<Exclude<Rendered, { readonly type: "unknown" }>> {
    const { renderer, snapshot } = this.#options;
    if (renderer === undefined || entry?.type !== "canary") {
      return { type: "refused", reason: "nobody here can render it" };
    }
    const files = new Map(this.#edited);
    for (const { path, content } of edits) files.set(path, content);
    const all = [...files].map(([path, content]): FileEdit => ({ path, content }));
    return await renderer.render(entry, { snapshot, edits: all }, signal);
  }

  async #view<T>(path: string, parse: (text: string) => FileView<T>): Promise<FileView<T>> {
    const file = await this.#file(path);
    if (file === undefined) return { type: "absent" };
    const text = decode(file.content);
    return text === undefined ? { type: "broken", reason: "it is not UTF-8 text" } : parse(text.replace(/^\uFEFF/, ""));
  }

  async #file(path: string): Promise<FileText | undefined> {
    const edited = this.#edited.get(path);
    if (edited !== undefined) return edited === null ? undefined : { path, content: edited, link: false };
    const content = await this.#options.snapshot.read(path);
    if (content === undefined) return undefined;
    return { path, content, link: !(await this.#regularFiles(path)).has(path) };
  }

  /** The listing leaves links out, so what can be read but is not listed is one. */
  async #regularFiles(path: string): Promise<ReadonlySet<string>> {
    return await this.#listing(path.includes("/") ? path.slice(0, path.lastIndexOf("/")) : "");
  }

  /** Files under a folder, asked once a tip. */
  async #listing(folder: string): Promise<ReadonlySet<string>> {
    const known = this.#listings.get(folder);
    if (known !== undefined) return known;
    const listed = new Set((await this.#options.snapshot.files(folder)).map((file) => file.path));
    this.#listings.set(folder, listed);
    return listed;
  }

  /** Locks of a canary of this name in other clusters. */
  async #foreignLocks({ canary }: Decision): Promise<readonly ForeignLock[]> {
    const own = this.#options.cluster.name;
    const found: ForeignLock[] = [];
    this.#foreign ??= [...await this.#listing(".serin")].filter((path) => path.split("/")[1] !== own);
    for (const path of this.#foreign) {
      const cluster = path.split("/")[1] ?? "";
      if (path !== lockPath(cluster, canary)) continue;
      const view: FileView<LockFile> = await this.#view(path, parseLockFile);
      found.push({ cluster, declaredIn: view.type === "read" ? view.value.declaredIn?.target ?? null : null });
    }
    return found;
  }

  /** Run ids are unique within a canary of a cluster, so all three trailers count. */
  #landed(decision: Decision): Oid | null {
    const { log, cluster } = this.#options;
    const commit = log.find(({ message }) =>
      message.includes(decision.id) &&
      trailerValues(message, "Serin-Run").includes(decision.id) &&
      trailerValues(message, "Serin-Canary").includes(canaryKey(decision.canary)) &&
      trailerValues(message, "Serin-Cluster").includes(cluster.name)
    );
    return commit?.oid ?? null;
  }

  async #originals(
    { manifests }: Decision,
    paths: readonly string[],
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, Original>> {
    const found = new Map<string, Original>();
    const snapshot = manifests === null ? undefined : await this.#options.remote.at(manifests.commit, signal);
    for (const path of paths) found.set(path, await snapshot?.read(path) ?? null);
    return found;
  }

  /** The entry as it will be once the decisions before this one are written. */
  async #entryNow(entry: CatalogueEntry, signal: AbortSignal | undefined): Promise<CatalogueEntry> {
    if (entry.type === "broken") return entry;
    if (entry.canary.render !== "manifests") return await this.#renderedNow(entry, signal);
    const { release, target, configs } = entry;
    if (![target, ...configs].some(({ place }) => this.#edited.has(place.file))) return entry;
    const targetNow = this.#manifestNow(target) ?? target;
    const configsNow = configs.flatMap((config) => this.#manifestNow(config) ?? []);
    return {
      ...entry,
      target: targetNow,
      configs: configsNow,
      release: this.#releaseNow(release, targetNow, configsNow),
    };
  }

  async #renderedNow(
    entry: Extract<CatalogueEntry, { readonly type: "canary" }>,
    signal: AbortSignal | undefined,
  ): Promise<CatalogueEntry> {
    const { renderer, snapshot } = this.#options;
    const edits = [...this.#edited].flatMap(([path, content]): readonly FileEdit[] =>
      path.startsWith(".serin/") ? [] : [{ path, content }]
    );
    if (renderer === undefined || edits.length === 0) return entry;
    const rendered = await renderer.render(entry, { snapshot, edits }, signal);
    return rendered.type === "release" ? { ...entry, release: { ...entry.release, ...rendered.release } } : entry;
  }

  #releaseNow(release: Release, target: Manifest, configs: readonly Manifest[]): Release {
    const find = (kind: "ConfigMap" | "Secret", name: string) => {
      const before = release.configs.find((config) => config.kind === kind && config.name === name)?.declared;
      const declared = before ?? this.#declared(kind, name, target);
      return declared === null ? null : configs.find(({ object }) => sameName(object, declared))?.object ?? declared;
    };
    const tracking = release.configs.length > 0;
    return releaseOf(release.commit, target.object, find, { scaler: release.scaler, tracking });
  }

  #declared(kind: "ConfigMap" | "Secret", name: string, { object }: Manifest): KubeObject | null {
    const { namespace } = object.metadata;
    const key = refKey({ apiVersion: "v1", kind, name, ...(namespace === undefined ? {} : { namespace }) });
    return this.#options.catalogue.manifests.get(key)?.object ?? null;
  }

  #manifestNow(manifest: Manifest): Manifest | undefined {
    const content = this.#edited.get(manifest.place.file);
    if (content === undefined) return manifest;
    if (content === null) return undefined;
    const same = (place: ManifestPlace) =>
      place.document === manifest.place.document && place.item === manifest.place.item;
    return this.#options.reader.parse(manifest.place.file, content).find(({ place }) => same(place));
  }
}

function sameName(a: KubeObject, b: KubeObject): boolean {
  return a.kind === b.kind && a.metadata.name === b.metadata.name && a.metadata.namespace === b.metadata.namespace;
}

function targetOf({ canary, lock }: Decision): ObjectRef {
  const { apiVersion, kind, namespace, name } = refOf(lock.release.target);
  return { apiVersion, kind, namespace: namespace ?? canary.namespace, name };
}
