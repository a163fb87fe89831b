/**
 * Which kustomizations of a source are rendered, and what they yield: those within its paths that no other one there
 * reaches and in which something asks for `render: kustomize`. One is walked again when something changed that the walk
 * asked for, and built again when a file that it reads changed. Changes nothing until the caller says so.
 */
import type { CanaryId } from "../core/canary.ts";
import type { Snapshot } from "../ports/git.ts";
import type { Renderer } from "../ports/renderer.ts";
import { type FileTree, kustomizationFolder, type Reach, reachOf } from "../spec/kustomize_reach.ts";
import { type ParsedFile, parseFile } from "../spec/parse_file.ts";
import { type Cover, isRendered, unrendered } from "../spec/rendered_file.ts";
import { idOf } from "../spec/read_spec.ts";
import { buildReach } from "./kustomize_build.ts";
import { snapshotTree } from "./snapshot_tree.ts";
import { isUnder } from "./roots.ts";

/** Builds at a time. */
const BUILDS_PARALLEL = 4;

interface Unit {
  readonly reach: Reach;
  readonly file: ParsedFile;
  readonly cover: Cover;
  /** Canaries that it yielded when it was last built. */
  readonly canaries: readonly CanaryId[];
  readonly isTransient: boolean;
}

interface State {
  /** By kustomization file: those within the source's paths. */
  readonly reaches: ReadonlyMap<string, Reach>;
  readonly units: ReadonlyMap<string, Unit>;
  /** By path of a file that a unit reaches. */
  readonly covers: ReadonlyMap<string, Cover>;
}

/** What a commit changes in the catalogue; `commit` makes it the state that the next one is compared with. */
export interface UnitsChange {
  /** By kustomization file; null: it is none any more. */
  readonly rendered: ReadonlyMap<string, ParsedFile | null>;
  /** Files that are read otherwise now, though they may not have changed. */
  readonly recovered: readonly string[];
  /** How a file is read by those that are not rendered; undefined: as it stands. */
  readonly coverOf: (path: string) => Cover | undefined;
  /** Asked for again with the next look, whatever changed: something was not to be had. */
  readonly isTransient: boolean;
  commit(): void;
}

export interface UnitsOptions {
  /** null: nobody here renders. */
  readonly renderer: Renderer | null;
  /** Paths of the source, as `rootsOf` gives them. */
  readonly roots: readonly string[];
  /** Canaries whose lock was promoted from a kustomization. */
  readonly lockedIn: (path: string) => readonly CanaryId[];
  /** Called after each piece of work, so that others get their turn. */
  readonly breathe: (signal: AbortSignal | undefined) => Promise<void>;
}

export class KustomizeUnits {
  readonly #options: UnitsOptions;
  #state: State = { reaches: new Map(), units: new Map(), covers: new Map() };

  constructor(options: UnitsOptions) {
    this.#options = options;
  }

  /** Kustomization files that are rendered, and what each reaches. */
  get reaches(): readonly Reach[] {
    return [...this.#state.units.values()].map(({ reach }) => reach);
  }

  /**
   * @param changed every path of the commit that differs from the one before, whoever's; at first all of them
   * @throws the signal's reason when it is aborted
   */
  async follow(snapshot: Snapshot, changed: readonly string[], signal?: AbortSignal): Promise<UnitsChange> {
    const tree = snapshotTree(snapshot);
    const reaches = await this.#walk(tree, new Set(changed), signal);
    const wanted = topsOf(reaches).filter((reach) => this.#isWanted(reach));
    const units = new Map<string, Unit>();
    for (let first = 0; first < wanted.length; first += BUILDS_PARALLEL) {
      const some = wanted.slice(first, first + BUILDS_PARALLEL);
      const built = await Promise.all(some.map((reach) => this.#unitOf(reach, tree, signal)));
      for (const unit of built) units.set(unit.reach.file, unit);
    }
    const covers = coversOf(units);
    const next = { reaches, units, covers };
    const before = this.#state;
    const rendered = new Map<string, ParsedFile | null>();
    for (const path of new Set([...before.units.keys(), ...units.keys()])) {
      const file = units.get(path)?.file ?? null;
      if (file !== (before.units.get(path)?.file ?? null)) rendered.set(path, file);
    }
    const paths = new Set([...before.covers.keys(), ...covers.keys()]);
    return {
      rendered,
      recovered: [...paths].filter((path) => !sameCover(before.covers.get(path), covers.get(path))),
      coverOf: (path) => covers.get(path),
      isTransient: [...units.values()].some((unit) => unit.isTransient),
      commit: () => {
        this.#state = next;
      },
    };
  }

  #isWanted(reach: Reach): boolean {
    if (reach.asks) return true;
    const isBroken = reach.complaints.length > 0;
    return isBroken && (this.#state.units.has(reach.file) || this.#options.lockedIn(reach.file).length > 0);
  }

  async #unitOf(reach: Reach, tree: FileTree, signal: AbortSignal | undefined): Promise<Unit> {
    const before = this.#state.units.get(reach.file);
    const isSame = before !== undefined && !before.isTransient && sameFiles(before.reach, reach);
    return isSame ? { ...before, reach } : await this.#build(reach, tree, signal);
  }

  async #walk(
    tree: FileTree,
    changed: ReadonlySet<string>,
    signal: AbortSignal | undefined,
  ): Promise<ReadonlyMap<string, Reach>> {
    const { roots } = this.#options;
    const reaches = new Map(this.#state.reaches);
    const folders = new Set<string>();
    for (const path of changed) {
      const folder = kustomizationFolder(path);
      if (folder !== null && roots.some((root) => isUnder(path, root))) folders.add(folder);
    }
    for (const { folder, sought, complaints } of this.#state.reaches.values()) {
      const isTouched = complaints.length > 0 ? changed.size > 0 : [...sought].some((path) => changed.has(path));
      if (isTouched) folders.add(folder);
    }
    for (const [file, { folder }] of this.#state.reaches) {
      if (folders.has(folder)) reaches.delete(file);
    }
    for (const folder of folders) {
      const reach = await reachOf(folder, tree, signal);
      await this.#options.breathe(signal);
      if (reach !== null) reaches.set(reach.file, reach);
    }
    return reaches;
  }

  async #build(reach: Reach, tree: FileTree, signal: AbortSignal | undefined): Promise<Unit> {
    const { renderer, lockedIn } = this.#options;
    const build = await buildReach(reach, { tree, renderer }, signal);
    if (build.type === "rendered") {
      const { file, cover } = build;
      const canaries = file.canaryDocs.flatMap(({ value }) => idOf(value) ?? []);
      return { reach, file, cover, canaries, isTransient: false };
    }
    const { complaints, isTransient } = build;
    const before = this.#state.units.get(reach.file);
    const known = before?.canaries ?? [];
    const canaries = [...known, ...lockedIn(reach.file), ...await writtenIn(reach, tree)];
    const file = unrendered(reach.file, complaints, canaries);
    // Canaries that it did not yield go on; where nothing is known of it, any in its files may be one that it yields.
    const cover = before?.cover ?? { names: null, isMixed: false };
    return { reach, file, cover, canaries: known, isTransient };
  }
}

/** Canaries that ask to be rendered, as far as their files name them whole. */
async function writtenIn(reach: Reach, tree: FileTree): Promise<readonly CanaryId[]> {
  const found: CanaryId[] = [];
  for (const path of reach.files.keys()) {
    const content = await tree.read(path);
    const documents = content === undefined ? [] : parseFile(path, content).canaryDocs;
    for (const document of documents.filter(isRendered)) {
      const id = idOf(document.value);
      if (id !== null) found.push(id);
    }
  }
  return found;
}

/** Those that no other one reaches; components are parts of others. */
function topsOf(reaches: ReadonlyMap<string, Reach>): readonly Reach[] {
  const inner = new Set<string>();
  for (const reach of reaches.values()) {
    for (const folder of reach.folders) if (folder !== reach.folder) inner.add(folder);
  }
  return [...reaches.values()].filter(({ folder, isComponent }) => !isComponent && !inner.has(folder));
}

function sameFiles(a: Reach, b: Reach): boolean {
  if (a.complaints.length + b.complaints.length > 0 || a.files.size !== b.files.size) return a === b;
  return [...a.files].every(([path, id]) => b.files.get(path) === id);
}

function sameCover(a: Cover | undefined, b: Cover | undefined): boolean {
  if (a === undefined || b === undefined || a === b) return a === b;
  const names = (cover: Cover) => cover.names === null ? null : [...cover.names].sort();
  return a.isMixed === b.isMixed && JSON.stringify(names(a)) === JSON.stringify(names(b));
}

function coversOf(units: ReadonlyMap<string, Unit>): ReadonlyMap<string, Cover> {
  const covers = new Map<string, Cover>();
  for (const { reach, cover } of units.values()) {
    for (const path of reach.files.keys()) covers.set(path, both(covers.get(path), cover));
  }
  return covers;
}

function both(one: Cover | undefined, other: Cover): Cover {
  if (one === undefined || one === other) return other;
  if (one.names === null || other.names === null) return { names: null, isMixed: false };
  return { names: new Set([...one.names, ...other.names]), isMixed: one.isMixed || other.isMixed };
}
