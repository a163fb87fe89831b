/** What the agent would do about each canary of a tree, told from its manifests and its locks alone. Pure. */
import type { Catalogue, CatalogueEntry, Manifest } from "../core/catalogue.ts";
import type { Lock, QuarantineEntry } from "../core/decision.ts";
import { isJsonObject, type Json } from "../core/kube_object.ts";
import { nextRevert } from "../core/quarantine.ts";
import { podTemplateOf, type TrackedConfig } from "../core/release.ts";
import { timeText } from "../ledger/file_text.ts";
import { type FieldPath, formatPath } from "../schema/path.ts";
import { readYaml } from "../schema/places.ts";
import type { LedgerFiles } from "../shell/ledger_files.ts";
import { kustomizationFolder } from "../spec/kustomize_reach.ts";
import type { SaidImage } from "./live_forecast.ts";

/**
 * - `nothing`: users are on what the manifests declare.
 * - `first-start`: there is no lock yet; the first one is what the cluster serves.
 * - `rollout`: a rollout starts; `waiting`: it would, and spec.suspend keeps it.
 * - `reverted`: the revision is quarantined, and is reverted without traffic.
 * - `stalled`: the canary or its lock cannot be read, or has errors.
 * - `removed`: a lock is there, and no canary any more; `unknown`: it may be in a file that cannot be read.
 */
export type Outcome =
  | "nothing"
  | "first-start"
  | "rollout"
  | "waiting"
  | "reverted"
  | "stalled"
  | "removed"
  | "unknown";

/** Something that differs from the lock, and where it is written. */
export interface Change {
  readonly file: string;
  /** 1-based. */
  readonly line: number;
  /** "spec.template.spec.containers[0].image", or `ConfigMap "web-config"`. */
  readonly what: string;
  /** As JSON has it; null: it is not there, or is not shown (configs). */
  readonly from: Json;
  readonly to: Json;
}

export interface Forecast {
  readonly canary: string;
  readonly outcome: Outcome;
  /** null where the manifests cannot be read. */
  readonly revision: string | null;
  /** Revision of the lock; null: there is none, or it cannot be read. */
  readonly locked: string | null;
  readonly changes: readonly Change[];
  /** Why, in a sentence; "" where nothing need be said. */
  readonly reason: string;
}

export interface ForecastInput {
  readonly catalogue: Catalogue;
  readonly ledger: Pick<LedgerFiles, "lock" | "status" | "keys">;
  /** A file's text, for the lines of what changed. */
  readonly text: (path: string) => string;
  /** Whether a path is one of those that are read. */
  readonly isRead: (path: string) => boolean;
  /** What places say of the lock's images, by canary, for those that an engine renders. */
  readonly said?: ReadonlyMap<string, readonly SaidImage[]>;
}

/** One forecast a canary, by name. */
export function forecast(input: ForecastInput): readonly Forecast[] {
  const { catalogue, ledger } = input;
  const declared = [...catalogue.entries].map(([key, entry]) => forecastOf(key, entry, input));
  const gone = [...new Set(ledger.keys())].filter((key) => !catalogue.entries.has(key));
  const all = [...declared, ...gone.map((key) => goneOf(key, input))];
  return all.sort((a, b) => (a.canary < b.canary ? -1 : 1));
}

function forecastOf(key: string, entry: CatalogueEntry, { ledger, text, said }: ForecastInput): Forecast {
  const plain = { canary: key, revision: null, locked: null, changes: [], reason: "" };
  if (entry.type === "broken") return { ...plain, outcome: "stalled", reason: `"${entry.file}" has errors` };
  const { canary, release } = entry;
  const revision = release.rendering === undefined ? release.revision : null;
  const view = ledger.lock(canary.id);
  if (view.type === "broken") {
    return { ...plain, revision, outcome: "stalled", reason: `Its lock cannot be read: ${view.reason}` };
  }
  if (view.type === "absent") {
    const reason = "It has no lock yet: the first one is what the cluster serves";
    return { ...plain, revision, outcome: "first-start", reason };
  }
  const { lock } = view.value;
  const known = { ...plain, revision, locked: lock.release.revision };
  if (release.rendering !== undefined) return liveForecast(known, { entry, said: said?.get(key) ?? [] });
  if (revision === lock.release.revision) return { ...known, outcome: "nothing" };
  const changes = changesOf(entry, lock, text);
  const status = ledger.status(canary.id);
  if (status.type === "broken") {
    return { ...known, changes, outcome: "stalled", reason: `Its status file cannot be read: ${status.reason}` };
  }
  const listed = status.type === "read"
    ? status.value.quarantine.find((quarantined) => quarantined.revision === revision)
    : undefined;
  if (listed !== undefined) return { ...known, changes, outcome: "reverted", reason: quarantineText(listed) };
  if (canary.suspend) return { ...known, changes, outcome: "waiting", reason: "spec.suspend keeps it from starting" };
  const reason = canary.skipAnalysis ? "Without an analysis (spec.skipAnalysis)" : "";
  return { ...known, changes, outcome: "rollout", reason };
}

/** The images are told by their places; what else an engine renders is not known here. */
function liveForecast(
  known: Omit<Forecast, "outcome">,
  { entry: { canary }, said }: { readonly entry: Known; readonly said: readonly SaidImage[] },
): Forecast {
  const rest = "what else its engine renders only the agent can tell";
  const [first] = said;
  if (first === undefined) {
    return { ...known, outcome: "unknown", reason: `No place is known that says its images, and ${rest}` };
  }
  const changes = said.filter(({ isLocked }) => !isLocked).map(({ isLocked: _locked, ...change }): Change => change);
  if (changes.length === 0) {
    const reason = `Its images are the lock's (${first.file}:${first.line}); ${rest}`;
    return { ...known, outcome: "unknown", reason };
  }
  if (canary.suspend) return { ...known, changes, outcome: "waiting", reason: "spec.suspend keeps it from starting" };
  return { ...known, changes, outcome: "rollout", reason: `By its images; ${rest}` };
}

function quarantineText(entry: QuarantineEntry): string {
  const next = nextRevert(entry);
  return `The revision is quarantined (${entry.reason || "by hand"}): reverted without traffic, from ` +
    `${timeText(next.at)} on`;
}

/** A canary that has files in the ledger and is not declared. */
function goneOf(key: string, { catalogue, ledger, isRead }: ForecastInput): Forecast {
  const [namespace = "", name = ""] = key.split("/");
  const view = ledger.lock({ namespace, name });
  const known = { canary: key, revision: null, changes: [] };
  if (view.type !== "read") {
    const reason = view.type === "broken" ? `Its lock cannot be read: ${view.reason}` : "It is not declared";
    return { ...known, locked: null, outcome: "unknown", reason };
  }
  const { lock, declaredIn } = view.value;
  const gone = { ...known, locked: lock.release.revision };
  const where = declaredIn === null ? "" : ` (it was in "${declaredIn.canary}")`;
  if (declaredIn !== null && !isRead(declaredIn.canary)) {
    return { ...gone, outcome: "unknown", reason: `"${declaredIn.canary}" is not among the paths that are read` };
  }
  if (declaredIn !== null && kustomizationFolder(declaredIn.canary) !== null) {
    const reason = `"${declaredIn.canary}" is rendered by kustomize, which is not run here: the agent knows`;
    return { ...gone, outcome: "unknown", reason };
  }
  const isUnread = declaredIn !== null && catalogue.unknownFiles.includes(declaredIn.canary);
  return isUnread
    ? { ...gone, outcome: "unknown", reason: `"${declaredIn.canary}" cannot be read: everything stays` }
    : { ...gone, outcome: "removed", reason: `It is no longer declared${where}` };
}

type Known = Extract<CatalogueEntry, { readonly type: "canary" }>;

function changesOf(entry: Known, lock: Lock, text: (path: string) => string): readonly Change[] {
  const { target, release } = entry;
  const differences: { path: FieldPath; from: Json; to: Json }[] = [];
  const from = podTemplateOf(lock.release.target);
  compare(from, podTemplateOf(target.object), { path: ["spec", "template"], into: differences });
  const lineOf = linesOf(target, text);
  const template = differences.map(({ path, from, to }): Change => ({
    file: target.place.file,
    line: lineOf(path),
    what: formatPath(path),
    from,
    to,
  }));
  return [...template, ...configChanges(lock.release.configs, release.configs, entry)];
}

/** Leaves that differ; what is on one side only is shown whole. */
function compare(
  from: Json | undefined,
  to: Json | undefined,
  at: { readonly path: FieldPath; readonly into: { path: FieldPath; from: Json; to: Json }[] },
): void {
  const inner = (key: string | number) => ({ ...at, path: [...at.path, key] });
  if (Array.isArray(from) && Array.isArray(to)) {
    for (let index = 0; index < Math.max(from.length, to.length); index++) {
      compare(from[index], to[index], inner(index));
    }
  } else if (isJsonObject(from) && isJsonObject(to)) {
    for (const key of new Set([...Object.keys(from), ...Object.keys(to)])) compare(from[key], to[key], inner(key));
  } else if (JSON.stringify(from) !== JSON.stringify(to)) {
    at.into.push({ path: at.path, from: from ?? null, to: to ?? null });
  }
}

/** Line of a field of a manifest, or of the nearest field around it. */
function linesOf({ place }: Manifest, text: (path: string) => string): (path: FieldPath) => number {
  const read = readYaml(text(place.file));
  const document = read.type === "documents" ? read.documents[place.document] : undefined;
  const prefix: FieldPath = place.item === null ? [] : ["items", place.item];
  return (path) => document?.lineOf([...prefix, ...path]) ?? place.line;
}

/** Contents of configs are not shown: they may be long, or secret. */
function configChanges(
  before: readonly TrackedConfig[],
  after: readonly TrackedConfig[],
  { configs, target }: Known,
): readonly Change[] {
  const named = (list: readonly TrackedConfig[]) => new Map(list.map((config) => [nameOf(config), config.digest]));
  const [was, is] = [named(before), named(after)];
  return [...new Set([...was.keys(), ...is.keys()])].flatMap((what): readonly Change[] => {
    if (was.has(what) && is.has(what) && was.get(what) === is.get(what)) return [];
    const manifest = configs.find(({ object }) => nameOf({ kind: object.kind, name: object.metadata.name }) === what);
    const { file, line } = (manifest ?? target).place;
    const shown = (
      list: ReadonlyMap<string, string | null>,
    ) => (list.has(what) ? list.get(what) ?? "not in Git" : null);
    return [{ file, line, what, from: shown(was), to: shown(is) }];
  });
}

function nameOf({ kind, name }: { readonly kind: string; readonly name: string }): string {
  return `${kind} ${JSON.stringify(name)}`;
}

/** Whether anything in a cluster or a repository would move. */
export function moves({ outcome }: Forecast): boolean {
  return outcome === "rollout" || outcome === "first-start" || outcome === "removed" || outcome === "reverted";
}
