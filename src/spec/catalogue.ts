/**
 * What one commit declares: canaries with all they refer to, and what is wrong. Kept up to date file by file; a build
 * costs as much as there are canaries, and a canary none of whose inputs changed is not read again.
 */
import { type AlertProvider, type CanaryId, canaryKey, type MetricTemplate } from "../core/canary.ts";
import type { Catalogue, CatalogueEntry, Complaint, Manifest } from "../core/catalogue.ts";
import { stringAt } from "../core/kube_object.ts";
import { exact } from "../core/exact.ts";
import { Shared } from "../core/shared.ts";
import type { Capabilities } from "./capabilities.ts";
import { checkEngineObjects } from "./check_engine_objects.ts";
import { sortComplaints, type SpecDocument } from "./complaints.ts";
import type { Resolved } from "./context.ts";
import { isEngineObject } from "./engine_transforms.ts";
import { comparePlaces, identityKey, ManifestIndex } from "./manifest_index.ts";
import { MultiMap } from "./multi_map.ts";
import { parseCanary } from "./parse_canary.ts";
import type { Named, ParsedFile } from "./parse_file.ts";
import { profileDocument } from "./profiles.ts";
import { idOf } from "./read_spec.ts";
import { type ResolvedRelease, resolveRelease } from "./resolve_release.ts";

/** One of the index's own ways to look something up, so that thousands of canaries need none of their own. */
type Look = (key: string) => unknown;

/** What was looked up on the way, and what there was. */
interface Asked {
  readonly look: Look;
  readonly key: string;
  readonly seen: unknown;
}

/** A canary that was read, with everything that was asked for on the way. */
interface Remembered {
  readonly document: SpecDocument;
  readonly asked: readonly Asked[];
  readonly entry: Extract<CatalogueEntry, { type: "canary" }>;
}

/** What one kustomization renders to: its canaries find their manifests here and nowhere else. */
interface Rendered {
  readonly manifests: ManifestIndex;
  readonly templates: MultiMap<Named<MetricTemplate>>;
  readonly providers: MultiMap<Named<AlertProvider>>;
}

/** Beside the file of the same path. */
const RENDERED = "rendered:";

/** The files of one source at its newest commit. */
export class CatalogueIndex {
  readonly #capabilities: Capabilities;
  readonly #files = new Map<string, ParsedFile>();
  /** By the kustomization file. */
  readonly #rendered = new Map<string, Rendered>();
  readonly #manifests = new ManifestIndex();
  /** By which engines apply folders; replaced, never changed. */
  #engines: readonly Manifest[] = [];
  readonly #find = (identity: string): readonly Manifest[] => this.#manifests.find(identity);
  readonly #enginesNow = (): readonly Manifest[] => this.#engines;
  readonly #canaries = new MultiMap<SpecDocument>((a, b) => comparePlaces(a.place, b.place));
  readonly #templates = new MultiMap<Named<MetricTemplate>>(compareNamed);
  readonly #providers = new MultiMap<Named<AlertProvider>>(compareNamed);
  /** Documents that profiles make, and what is wrong with those that cannot be made, by file. */
  readonly #profiled = new Map<
    string,
    { readonly documents: readonly SpecDocument[]; readonly complaints: readonly Complaint[] }
  >();
  readonly #unknown = new Set<string>();
  readonly #complaining = new Set<string>();
  readonly #remembered = new Map<string, Remembered>();
  readonly #shared = new Shared();

  constructor(capabilities: Capabilities) {
    this.#capabilities = capabilities;
  }

  /** Takes a file in, or out with null. */
  update(path: string, file: ParsedFile | null): void {
    const [before, after] = [this.#files.get(path)?.manifests ?? [], file?.manifests ?? []];
    this.#manifests.replace(before, after);
    const engines = after.filter(({ object }) => isEngineObject(object));
    if (engines.length > 0 || before.some(({ object }) => isEngineObject(object))) {
      this.#engines = [...this.#engines.filter((known) => !before.includes(known)), ...engines];
    }
    this.#replace(path, file);
  }

  /** Takes in what a kustomization renders to, or out with null. @param path of the kustomization file */
  updateRendered(path: string, file: ParsedFile | null): void {
    if (file === null) this.#rendered.delete(path);
    else this.#rendered.set(path, renderedOf(file));
    this.#replace(`${RENDERED}${path}`, file);
  }

  #replace(key: string, file: ParsedFile | null): void {
    const before = this.#files.get(key);
    if (before !== undefined) this.#change(key, before, "remove");
    if (file === null) this.#files.delete(key);
    else {
      this.#files.set(key, file);
      this.#change(key, file, "add");
    }
  }

  /** The catalogue of a commit, whose files have been taken in. Later updates do not change it. */
  build(commit: string): Catalogue {
    const targets = this.#targets();
    const entries = new Map<string, CatalogueEntry>();
    for (const key of this.#canaries.keys().sort()) {
      const documents = this.#canaries.get(key);
      const [document] = documents;
      const id = document === undefined ? null : idOf(document.value);
      if (document === undefined || id === null) continue;
      entries.set(key, documents.length > 1 ? twice(id, documents) : this.#entry(document, { id, commit, targets }));
    }
    const more: Complaint[] = [];
    for (const [key, { id, complaints }] of this.#brokenProfiles()) {
      // Where a Canary of that name is written out, the profile is only a mistake beside it.
      if (entries.has(key)) more.push(...complaints);
      else entries.set(key, { type: "broken", id, file: complaints[0]?.file ?? "", complaints });
    }
    for (const { id, complaints } of this.#stalled()) {
      const file = complaints[0]?.file ?? "";
      // A base that stands alone while its overlay is broken is not what the overlay would have yielded.
      entries.set(canaryKey(id), { type: "broken", id, file, complaints });
    }
    for (const key of this.#remembered.keys()) {
      if (entries.get(key)?.type !== "canary") this.#remembered.delete(key);
    }
    return {
      commit,
      entries,
      unknownFiles: [...new Set([...this.#unknown].map((key) => this.#files.get(key)?.path ?? key))].sort(),
      complaints: sortComplaints([...this.#complaints(), ...more]),
      manifests: this.#manifests.snapshot(this.#renderedManifests()),
    };
  }

  #renderedManifests(): ReadonlyMap<string, Manifest> {
    return new Map([...this.#rendered.values()].flatMap(({ manifests }) => [...manifests.snapshot()]));
  }

  /** Canaries of kustomizations that could not be rendered. */
  #stalled(): NonNullable<ParsedFile["stalled"]> {
    return [...this.#rendered.keys()].flatMap((path) => this.#files.get(`${RENDERED}${path}`)?.stalled ?? []);
  }

  /** @param path the file's key: what a kustomization renders to stands beside the kustomization file itself */
  #change(path: string, file: ParsedFile, how: "add" | "remove"): void {
    if (how === "add") this.#profiled.set(path, profiledIn(file, this.#capabilities));
    const profiled = this.#profiled.get(path) ?? { documents: [], complaints: [] };
    for (const document of [...file.canaryDocs, ...profiled.documents]) {
      const id = idOf(document.value);
      if (id !== null) this.#canaries[how](canaryKey(id), document);
    }
    if (file.isRendered !== true) {
      for (const template of file.templates) this.#templates[how](canaryKey(template.id), template);
      for (const provider of file.providers) this.#providers[how](canaryKey(provider.id), provider);
    }
    const set = how === "add" ? "add" : "delete";
    // A canary that cannot be named any more must not count as removed.
    const unnamed = profiled.complaints.filter(({ canary }) => canary === null);
    if (file.state === "unknown" || unnamed.length > 0) this.#unknown[set](path);
    const complains = file.complaints.length + unnamed.length > 0 ||
      [...file.templates, ...file.providers].some(({ complaints }) => complaints.length > 0) ||
      file.canaryDocs.some(({ value }) => idOf(value) === null);
    if (complains) this.#complaining[set](path);
    if (how === "remove" || profiled.documents.length + profiled.complaints.length === 0) this.#profiled.delete(path);
  }

  /** Complaints about workloads that ask for a profile which cannot be had, by the canary it would make. */
  #brokenProfiles(): ReadonlyMap<string, { readonly id: CanaryId; readonly complaints: readonly Complaint[] }> {
    const broken = new Map<string, { readonly id: CanaryId; readonly complaints: readonly Complaint[] }>();
    for (const complaint of sortComplaints([...this.#profiled.values()].flatMap(({ complaints }) => complaints))) {
      const { canary: id } = complaint;
      if (id === null) continue;
      const before = broken.get(canaryKey(id))?.complaints ?? [];
      broken.set(canaryKey(id), { id, complaints: [...before, complaint] });
    }
    return broken;
  }

  /** Which canaries name a target, so that two of one target are seen. */
  #targets(): ReadonlyMap<string, readonly string[]> {
    const targets = new Map<string, string[]>();
    for (const key of this.#canaries.keys().sort()) {
      for (const { value } of this.#canaries.get(key)) {
        const target = targetKey(value);
        if (target.endsWith("/")) continue;
        const keys = targets.get(target);
        if (keys === undefined) targets.set(target, [key]);
        else if (!keys.includes(key)) keys.push(key);
      }
    }
    return targets;
  }

  #entry(
    document: SpecDocument,
    { id, commit, targets }: {
      readonly id: CanaryId;
      readonly commit: string;
      readonly targets: ReadonlyMap<string, readonly string[]>;
    },
  ): CatalogueEntry {
    const key = canaryKey(id);
    const rivals = (targets.get(targetKey(document.value)) ?? []).filter((other) => other !== key);
    const known = this.#remembered.get(key);
    const isCurrent = known?.document === document && rivals.length === 0 &&
      known.asked.every(({ look, key: of, seen }) => look(of) === seen);
    if (known !== undefined && isCurrent) {
      return { ...known.entry, release: { ...known.entry.release, commit } };
    }
    const asked: Asked[] = [];
    const ask = <T>(look: (key: string) => T, of: string): T => {
      const seen = look(of);
      asked.push({ look, key: of, seen });
      return seen;
    };
    const { file } = document.place;
    const rendered = this.#rendered.get(file);
    const named = <T>(all: MultiMap<Named<T>>, inside: MultiMap<Named<T>> | undefined, ref: CanaryId): Resolved<T> => {
      const own = inside?.get(canaryKey(ref)) ?? [];
      return resolved(own.length > 0 ? own : ask(all.get, canaryKey(ref)), all, ref);
    };
    const parsed = parseCanary(document, {
      capabilities: this.#capabilities,
      template: (ref) => named(this.#templates, rendered?.templates, ref),
      alertProvider: (ref) => named(this.#providers, rendered?.providers, ref),
    });
    const complaints: Complaint[] = [...parsed.complaints];
    if (parsed.canary?.render === "kustomize" && rendered === undefined) complaints.push(notYielded(document, id));
    if (rivals.length > 0) complaints.push(shared(document, id, rivals));
    if (parsed.canary === null) return { type: "broken", id, file, complaints: sortComplaints(complaints) };
    const { found, complaints: more } = resolveRelease(parsed.canary, commit, {
      find: (identity) => rendered?.manifests.find(identity) ?? ask(this.#find, identity),
      namesLike: (ref) => (rendered?.manifests ?? this.#manifests).namesLike(ref),
      unread: (near) => this.#unread(near),
    });
    complaints.push(...more.map((complaint) => placed(complaint, document)));
    const engines = ask(this.#enginesNow, "");
    if (found !== null) complaints.push(...checkEngineObjects(parsed.canary, found.target, engines));
    const hasErrors = complaints.some(({ severity }) => severity === "error");
    if (found === null || hasErrors) return { type: "broken", id, file, complaints: sortComplaints(complaints) };
    const entry = {
      type: "canary" as const,
      canary: this.#shared.of(parsed.canary),
      ...kept(found),
      warnings: exact(sortComplaints(complaints)),
    };
    this.#remembered.set(key, { document, asked: exact(asked), entry });
    return entry;
  }

  /** Complaints about files that could not be read, those that share most of their folders with a file first. */
  #unread(near: string): readonly Complaint[] {
    const complaints = [...this.#unknown].flatMap((path) => this.#files.get(path)?.complaints.slice(0, 1) ?? []);
    return sortComplaints(complaints).toSorted((a, b) => sharedFolders(b.file, near) - sharedFolders(a.file, near));
  }

  /** Those that belong to no canary. */
  #complaints(): readonly Complaint[] {
    return [...this.#complaining].flatMap((path) => {
      const file = this.#files.get(path);
      if (file === undefined) return [];
      const nameless = file.canaryDocs.filter(({ value }) => idOf(value) === null);
      const context = {
        capabilities: this.#capabilities,
        template: (ref: CanaryId) => resolved(this.#templates.get(canaryKey(ref)), this.#templates, ref),
        alertProvider: (ref: CanaryId) => resolved(this.#providers.get(canaryKey(ref)), this.#providers, ref),
      };
      return [
        ...file.complaints,
        ...(this.#profiled.get(path)?.complaints ?? []).filter(({ canary }) => canary === null),
        ...[...file.templates, ...file.providers].flatMap(({ complaints }) => complaints),
        ...nameless.flatMap((document) => parseCanary(document, context).complaints),
      ];
    });
  }
}

function kept({ release, target, configs }: NonNullable<ResolvedRelease["found"]>) {
  const lists = { images: exact(release.images), configs: exact(release.configs) };
  return { release: { ...release, ...lists }, target, configs: exact(configs) };
}

function renderedOf(file: ParsedFile): Rendered {
  const scope = {
    manifests: new ManifestIndex(),
    templates: new MultiMap<Named<MetricTemplate>>(compareNamed),
    providers: new MultiMap<Named<AlertProvider>>(compareNamed),
  };
  scope.manifests.replace([], file.manifests);
  for (const template of file.templates) scope.templates.add(canaryKey(template.id), template);
  for (const provider of file.providers) scope.providers.add(canaryKey(provider.id), provider);
  return scope;
}

/** A Canary that asks to be rendered, as it stands in a file. */
function notYielded({ place, lineOf }: SpecDocument, id: CanaryId): Complaint {
  return {
    file: place.file,
    line: lineOf(["spec", "render"]),
    field: "spec.render",
    message: "No kustomization that was rendered yields this Canary",
    fix: "Name its file in a kustomization.yaml within the paths of the source, or write `render: manifests`",
    severity: "error",
    canary: id,
  };
}

/** How many folders two files have in common, from the root. */
function sharedFolders(a: string, b: string): number {
  const [left, right] = [a.split("/").slice(0, -1), b.split("/").slice(0, -1)];
  const differs = left.findIndex((folder, index) => folder !== right[index]);
  return differs === -1 ? left.length : differs;
}

/** A complaint about a field of the document, on the field's own line. */
function placed(complaint: Complaint, document: SpecDocument): Complaint {
  const isHere = complaint.file === document.place.file && complaint.line === document.place.line;
  if (!isHere || complaint.field === "") return complaint;
  return { ...complaint, line: document.lineOf(complaint.field.split(".")) };
}

function compareNamed(a: Named<unknown>, b: Named<unknown>): number {
  if (a.file !== b.file) return a.file < b.file ? -1 : 1;
  return a.line - b.line;
}

/** The catalogue of a commit from scratch. */
export function buildCatalogue(
  commit: string,
  files: ReadonlyMap<string, ParsedFile>,
  capabilities: Capabilities,
): Catalogue {
  const index = new CatalogueIndex(capabilities);
  for (const [path, file] of files) index.update(path, file);
  return index.build(commit);
}

function targetKey(canary: SpecDocument["value"]): string {
  return identityKey({
    apiVersion: stringAt(canary, "spec", "targetRef", "apiVersion") ?? "",
    kind: stringAt(canary, "spec", "targetRef", "kind") ?? "",
    namespace: stringAt(canary, "metadata", "namespace"),
    name: stringAt(canary, "spec", "targetRef", "name") ?? "",
  });
}

function profiledIn(file: ParsedFile, capabilities: Capabilities) {
  const made = file.profiled.map((manifest: Manifest) => profileDocument(manifest, capabilities.profiles));
  return {
    documents: made.flatMap((result) => (result.type === "document" ? [result.document] : [])),
    complaints: made.flatMap((result) => (result.type === "complaint" ? [result.complaint] : [])),
  };
}

function resolved<T>(found: readonly Named<T>[], all: MultiMap<Named<T>>, ref: CanaryId): Resolved<T> {
  const [first, second] = found;
  if (first === undefined) {
    const near = all.keys().filter((key) => key.startsWith(`${ref.namespace}/`) || key.endsWith(`/${ref.name}`));
    return { type: "missing", known: (near.length > 0 ? near : all.keys()).sort().slice(0, 100) };
  }
  // Two of one name are as good as none: nobody can tell which is meant.
  if (first.value === null || second !== undefined) {
    const { file, line } = second ?? first;
    return { type: "broken", why: second === undefined ? "has errors" : "is declared twice", file, line };
  }
  return { type: "found", value: first.value };
}

function twice(id: CanaryId, documents: readonly SpecDocument[]): CatalogueEntry {
  const places = documents.map(({ place }) => `"${place.file}", line ${place.line}`);
  const complaints = documents.map(({ place }): Complaint => ({
    file: place.file,
    line: place.line,
    field: "",
    message: `Canary "${canaryKey(id)}" is declared ${documents.length} times: in ${places.join(" and ")}`,
    fix: "Keep one of them, or narrow the source's paths",
    severity: "error",
    canary: id,
  }));
  return { type: "broken", id, file: documents[0]?.place.file ?? "", complaints: sortComplaints(complaints) };
}

function shared({ place, lineOf }: SpecDocument, id: CanaryId, rivals: readonly string[]): Complaint {
  return {
    file: place.file,
    line: lineOf(["spec", "targetRef"]),
    field: "spec.targetRef",
    message: `Is the target of another Canary too: ${rivals.map((rival) => `"${rival}"`).join(", ")}`,
    fix: "Keep one Canary for each target",
    severity: "error",
    canary: id,
  };
}
