/**
 * Follows one branch of one repository: polls, reads what changed, and keeps the catalogue, the locks and the status
 * files of the tip. A failed poll changes nothing but the view's state: the last good commit stays.
 */
import { type CanaryId, canaryKey } from "../core/canary.ts";
import type { Catalogue, CatalogueEntry, Manifest } from "../core/catalogue.ts";
import type { Lock, StatusFile } from "../core/decision.ts";
import { canonicalJson } from "../core/digest.ts";
import { Shared } from "../core/shared.ts";
import { UnavailableError } from "../errors.ts";
import type { ManifestReader } from "../ledger/tip.ts";
import type { Clock } from "../ports/clock.ts";
import type { GitRemote, Snapshot } from "../ports/git.ts";
import type { Renderer } from "../ports/renderer.ts";
import type { FileView, Source, SourceView } from "../ports/source.ts";
import type { Capabilities } from "../spec/capabilities.ts";
import { CatalogueIndex } from "../spec/catalogue.ts";
import type { Reach } from "../spec/kustomize_reach.ts";
import { isManifestPath, type ParsedFile, parseFile } from "../spec/parse_file.ts";
import { withoutRendered } from "../spec/rendered_file.ts";
import { KustomizeUnits, type UnitsChange } from "./kustomize_units.ts";
import { type LedgerFile, LedgerFiles } from "./ledger_files.ts";
import { Presence } from "./presence.ts";
import { isUnder, rootsOf } from "./roots.ts";

/** Longest wait between polls of a remote that gives no answer. */
const BACKOFF_MS_MAX = 300_000;
/** Longest wait that a server may ask for. */
const RETRY_AFTER_MS_MAX = 3_600_000;

/** Longest time that parsing keeps the event loop for itself: the Lease and health checks must go on. */
const SLICE_MS = 50;

export interface SourceOptions {
  readonly name: string;
  readonly remote: GitRemote;
  readonly clock: Clock;
  readonly pollMs: number;
  /** Folders or files to read manifests from; none: the whole repository. */
  readonly paths: readonly string[];
  /** The cluster's name in the configuration. */
  readonly cluster: string;
  readonly capabilities: Capabilities;
  /** Absent: nobody here renders kustomizations, and canaries that need it stall. */
  readonly renderer?: Renderer;
}

/** A source that polls while `run` is running, and reads manifests for the writer of the same remote. */
export interface RunningSource extends Source, ManifestReader {
  run(signal: AbortSignal): Promise<void>;
  /** Kustomizations that are rendered at the tip, and what each reaches. */
  readonly reaches: readonly Reach[];
}

interface Change {
  readonly path: string;
  /** Blob id; undefined where the file is gone. */
  readonly is?: string;
}

interface ReadFile {
  readonly path: string;
  /** Of a file of the ledger; null where it is gone or is none. */
  readonly ledgers: LedgerFile | null;
  /** null where the file is gone or the ledger's. */
  readonly parsed: ParsedFile | null;
}

/** Makes the follower of a remote's branch; nothing is fetched before `poll` or `run`. */
export function createSource(options: SourceOptions): RunningSource {
  return new GitSource(options);
}

class GitSource implements RunningSource {
  readonly name: string;
  readonly #options: SourceOptions;
  readonly #roots: readonly string[];
  readonly #index: CatalogueIndex;
  readonly #ledger: LedgerFiles;
  readonly #shared = new Shared();
  readonly #presence: Presence;
  readonly #units: KustomizeUnits;
  readonly #listeners: ((canaryKeys: readonly string[]) => void)[] = [];
  #view: SourceView = { state: "unknown", problem: null, commit: null, catalogue: null, fetchedAt: 0 };
  #snapshot: Snapshot | undefined;
  /** Blob ids of the watched files. */
  #files: ReadonlyMap<string, string> = new Map();
  #failures = 0;
  #retryAfterMs = 0;
  /** Something could not be rendered and may be the next time, though nothing changed. */
  #rendersAgain = false;
  #sliceEndsMs = 0;
  /** The end of the queue of turns: one at a time touches the index. */
  #last: Promise<unknown> = Promise.resolve();
  #queuedPoll: Promise<void> | undefined;

  constructor(options: SourceOptions) {
    this.name = options.name;
    this.#options = options;
    this.#roots = rootsOf(options.paths);
    this.#index = new CatalogueIndex(options.capabilities);
    this.#ledger = new LedgerFiles(options.cluster);
    this.#presence = new Presence(this.#roots);
    this.#units = new KustomizeUnits({
      renderer: options.renderer ?? null,
      roots: this.#roots,
      lockedIn: (path) => this.#ledger.declaredIn(path),
      breathe: (signal) => this.#breathe(signal),
    });
  }

  get reaches(): readonly Reach[] {
    return this.#units.reaches;
  }

  get view(): SourceView {
    return this.#view;
  }

  get watched(): Source["watched"] {
    return this.#snapshot === undefined ? undefined : { snapshot: this.#snapshot, roots: this.#roots };
  }

  lock(id: CanaryId): FileView<Lock> {
    const view = this.#ledger.lock(id);
    return view.type === "read" ? { type: "read", value: view.value.lock } : view;
  }

  status(id: CanaryId): FileView<StatusFile> {
    return this.#ledger.status(id);
  }

  presence(id: CanaryId): ReturnType<Source["presence"]> {
    const lock = this.#ledger.lock(id);
    return this.#presence.of(canaryKey(id), lock.type === "read" ? lock.value.declaredIn?.canary ?? null : null);
  }

  onChange(listener: (canaryKeys: readonly string[]) => void): void {
    this.#listeners.push(listener);
  }

  parse(path: string, content: Uint8Array<ArrayBuffer>): readonly Manifest[] {
    return parseFile(path, content).manifests;
  }

  async catalogue(snapshot: Snapshot, signal?: AbortSignal): Promise<Catalogue> {
    return await this.#inTurn(async () => {
      const known = this.#view.catalogue;
      const isTip = this.#options.remote.tip?.commit === snapshot.commit;
      if (known !== null && (known.commit === snapshot.commit || !isTip)) return known;
      // Fetched by the writer, at a time not known here: no later than what was fetched before is certain.
      return await this.#apply(snapshot, this.#view.fetchedAt, signal);
    });
  }

  /** Never fails for what the remote does; that is in `view`. Calls that come while one waits share it. */
  poll(signal?: AbortSignal): Promise<void> {
    this.#queuedPoll ??= this.#inTurn(async () => {
      this.#queuedPoll = undefined;
      await this.#poll(signal);
    });
    return this.#queuedPoll;
  }

  async run(signal: AbortSignal): Promise<void> {
    try {
      while (!signal.aborted) {
        await this.poll(signal);
        await this.#options.clock.sleep(this.#waitMs(), signal);
      }
    } catch (error) {
      if (!signal.aborted) throw error;
    }
  }

  #waitMs(): number {
    const { pollMs, clock } = this.#options;
    const backoff = Math.max(pollMs, Math.min(BACKOFF_MS_MAX, pollMs * 2 ** Math.min(this.#failures, 20)));
    return Math.max(backoff * (0.8 + 0.4 * clock.random()), this.#retryAfterMs);
  }

  #inTurn<T>(work: () => Promise<T>): Promise<T> {
    const turn = this.#last.then(work, work);
    this.#last = turn.catch(() => undefined);
    return turn;
  }

  async #poll(signal: AbortSignal | undefined): Promise<void> {
    try {
      const startedAt = this.#options.clock.now();
      const snapshot = await this.#options.remote.fetch(signal);
      await this.#apply(snapshot, startedAt, signal);
      this.#failures = 0;
      this.#retryAfterMs = 0;
    } catch (error) {
      if (signal?.aborted) throw error;
      this.#failures++;
      const wish = error instanceof UnavailableError ? error.retryAfterMs ?? 0 : 0;
      this.#retryAfterMs = Math.min(wish, RETRY_AFTER_MS_MAX);
      const state = this.#view.catalogue === null ? "unknown" : "stale";
      this.#view = { ...this.#view, state, problem: error instanceof Error ? error.message : String(error) };
    }
  }

  /**
   * Everything is read before anything of the catalogue is changed, so that a failure in between leaves the last good
   * commit.
   */
  async #apply(snapshot: Snapshot, fetchedAt: number, signal: AbortSignal | undefined): Promise<Catalogue> {
    const before = this.#view.catalogue;
    const wasFresh = this.#view.state === "fresh";
    if (before !== null && this.#snapshot?.commit === snapshot.commit && !this.#rendersAgain) {
      this.#view = { ...this.#view, state: "fresh", problem: null, fetchedAt };
      if (!wasFresh) this.#tell([...before.entries.keys(), ...this.#ledger.keys()]);
      return before;
    }
    this.#sliceEndsMs = this.#options.clock.monotonic() + SLICE_MS;
    const all = await this.#changes(snapshot);
    const changes = all.filter(({ path }) => this.#isOurs(path));
    const read = await this.#read(snapshot, changes, signal);
    const files = new Map(this.#files);
    const keys = new Set<string>();
    for (const { path, is } of changes) {
      if (is === undefined) files.delete(path);
      else files.set(path, is);
    }
    // Before the rest: which kustomizations must not vanish unseen is told by locks. Taken in twice it is the same.
    for (const { path, ledgers } of read) {
      const key = this.#ledger.update(path, ledgers);
      if (key !== null) keys.add(key);
    }
    const units = await this.#units.follow(snapshot, all.map(({ path }) => path), signal);
    const parsed = [...read, ...await this.#readAgain(snapshot, { units, read, files }, signal)];
    for (const { path, parsed: file } of parsed) {
      if (!this.#isLedgers(path)) this.#index.update(path, file === null ? null : asCovered(file, units));
    }
    for (const [path, file] of units.rendered) this.#index.updateRendered(path, file);
    units.commit();
    this.#rendersAgain = units.isTransient;
    const catalogue = this.#index.build(snapshot.commit);
    const allBlobs = async () => new Set((await snapshot.files()).map(({ oid }) => oid));
    await this.#presence.follow(catalogue, files, allBlobs);
    for (const key of changedEntries(before, catalogue)) keys.add(key);
    // Whether a lock without its Canary may go depends on the whole tip.
    for (const key of this.#ledger.keys()) if (!catalogue.entries.has(key)) keys.add(key);
    // What waits for a fresh answer goes on, whatever the commits in between changed.
    if (!wasFresh) { for (const key of [...catalogue.entries.keys(), ...this.#ledger.keys()]) keys.add(key); }
    this.#snapshot = snapshot;
    this.#files = files;
    this.#view = { state: "fresh", problem: null, commit: snapshot.commit, catalogue, fetchedAt };
    this.#tell([...keys]);
    return catalogue;
  }

  /** Files that did not change, and are read otherwise since a kustomization reaches them, or no longer does. */
  async #readAgain(
    snapshot: Snapshot,
    { units, read, files }: {
      readonly units: UnitsChange;
      readonly read: readonly ReadFile[];
      readonly files: ReadonlyMap<string, string>;
    },
    signal: AbortSignal | undefined,
  ): Promise<readonly ReadFile[]> {
    const done = new Set(read.map(({ path }) => path));
    const paths = units.recovered.filter((path) => !done.has(path) && files.has(path) && !this.#isLedgers(path));
    return await this.#read(snapshot, paths.map((path) => ({ path, is: files.get(path) ?? "" })), signal);
  }

  #tell(keys: readonly string[]): void {
    const sorted = [...new Set(keys)].sort();
    if (sorted.length > 0) { for (const listener of this.#listeners) listener(sorted); }
  }

  /** Contents of the files, and what they say; a first look at a large repository leaves others their turn meanwhile. */
  async #read(
    snapshot: Snapshot,
    changes: readonly Change[],
    signal: AbortSignal | undefined,
  ): Promise<readonly ReadFile[]> {
    const read: ReadFile[] = [];
    for (const { path, is } of changes) {
      signal?.throwIfAborted();
      const content = is === undefined ? null : await snapshot.read(path) ?? null;
      // Of a manifest nothing is kept but what it says.
      const isLedgers = this.#isLedgers(path);
      read.push({
        path,
        ledgers: content === null || !isLedgers ? null : this.#ledger.packed(content),
        parsed: content === null || isLedgers ? null : parseFile(path, content, this.#shared),
      });
      await this.#breathe(signal);
    }
    return read;
  }

  /** Lets others have their turn when the slice is used up. */
  async #breathe(signal: AbortSignal | undefined): Promise<void> {
    const { clock } = this.#options;
    if (clock.monotonic() < this.#sliceEndsMs) return;
    await clock.sleep(0, signal);
    this.#sliceEndsMs = clock.monotonic() + SLICE_MS;
  }

  #isLedgers(path: string): boolean {
    return isUnder(path, this.#ledger.folder);
  }

  /** Watched files, and files of the ledger. */
  #isOurs(path: string): boolean {
    return this.#isLedgers(path) || isManifestPath(path) && this.#roots.some((root) => isUnder(path, root));
  }

  /** All files that differ from what was read last. */
  async #changes(snapshot: Snapshot): Promise<readonly Change[]> {
    if (this.#snapshot !== undefined) return await snapshot.changed(this.#snapshot);
    return (await snapshot.files()).map(({ path, oid }) => ({ path, is: oid }));
  }
}

function asCovered(file: ParsedFile, units: UnitsChange): ParsedFile {
  const cover = units.coverOf(file.path);
  return cover === undefined ? file : withoutRendered(file, cover);
}

/** Keys of canaries that came, went, or say something else; the index keeps what did not change as it was. */
function changedEntries(before: Catalogue | null, after: Catalogue): readonly string[] {
  const keys = new Set([...before?.entries.keys() ?? [], ...after.entries.keys()]);
  return [...keys].filter((key) => !isSameEntry(before?.entries.get(key), after.entries.get(key)));
}

function isSameEntry(a: CatalogueEntry | undefined, b: CatalogueEntry | undefined): boolean {
  if (a?.type === "broken" && b?.type === "broken") return canonicalJson(a) === canonicalJson(b);
  if (a?.type !== "canary" || b?.type !== "canary") return false;
  const sameConfigs = a.release.configs.length === b.release.configs.length &&
    a.release.configs.every((config, index) => config === b.release.configs[index]);
  return a.canary === b.canary && a.release.target === b.release.target && a.release.scaler === b.release.scaler &&
    sameConfigs;
}
