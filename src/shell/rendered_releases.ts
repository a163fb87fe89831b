/**
 * Candidates where an engine renders (`render: live`): what the engine wrote into the live target, taken for a new release
 * only when what it was rendered from changed too. So an edit by hand, a restart or a webhook starts nothing.
 */
import { type Canary, canaryKey } from "../core/canary.ts";
import { digestOf } from "../core/digest.ts";
import { at, type KubeObject, numberAt, type ObjectRef, refOf } from "../core/kube_object.ts";
import { imagesOf, outlineOf, type Release, type Rendering } from "../core/release.ts";
import type { State } from "../core/state.ts";
import { InvalidSpecError } from "../errors.ts";
import type { Clock } from "../ports/clock.ts";
import type { Cluster } from "../ports/cluster.ts";
import type { EngineAdapter } from "../ports/engine.ts";
import { keyedHash, readTarget, templateHashes } from "./rendered.ts";

/**
 * An engine may say what it renders from before the target is seen to change: a change within this time of it is the
 * engine's.
 */
const ENGINE_WRITES_MS = 30_000;

export interface RenderedInput {
  readonly canary: Canary;
  readonly state: Pick<State, "lock" | "run">;
  readonly ref: ObjectRef;
  readonly engine: EngineAdapter;
  /** The engine's objects, and their live ones. */
  readonly owners: readonly KubeObject[];
  /** The tip of the canary's source, or null before the first fetch. */
  readonly tip: string | null;
}

/** The candidate, or in a sentence why none can be told. */
export interface RenderedAnswer {
  readonly candidate: Release | null;
  readonly complaint: string | null;
  /** Replicas that the engine wrote; null: it leaves them alone. */
  readonly replicas: number | null;
}

interface Known {
  /** Of the live pod template that was read last. */
  readonly templateDigest: string;
  /** What the engine wrote there, whoever started it. */
  readonly template: string;
  readonly release: Release;
  readonly replicas: number | null;
  /** From what else the same was rendered since, and when that was first said. */
  readonly newer: { readonly source: string; readonly at: number } | null;
}

export class RenderedReleases {
  readonly #cluster: Pick<Cluster, "get" | "live">;
  readonly #clock: Pick<Clock, "monotonic">;
  readonly #key: string | null;
  readonly #known = new Map<string, Known>();

  constructor(parts: {
    readonly cluster: Pick<Cluster, "get" | "live">;
    readonly clock: Pick<Clock, "monotonic">;
    /** Key of the hashes; null: the agent may not read Secrets. */
    readonly key: string | null;
  }) {
    this.#cluster = parts.cluster;
    this.#clock = parts.clock;
    this.#key = parts.key;
  }

  /**
   * One GET whenever the target's template changed; none at rest.
   *
   * @throws {InvalidSpecError} nobody renders this target, or what is rendered may not be kept
   */
  async candidate(input: RenderedInput, signal: AbortSignal): Promise<RenderedAnswer> {
    const { canary, ref, engine, owners } = input;
    const target = this.#cluster.get(ref);
    if (target === undefined) {
      return none(`The target "${ref.name}" is not in the cluster: its engine has not made it yet.`);
    }
    if (engine.applies) throw unrendered(canary);
    if (this.#key === null) throw unkept(canary);
    const from = engine.renderedFrom(owners);
    const [owner] = owners;
    if (from === null || owner === undefined) {
      return none(`The engine has not said yet what it rendered the target "${ref.name}" from.`);
    }
    const source = keyedHash(this.#key, from);
    const templateDigest = digestOf(at(target, "spec", "template") ?? null);
    const now = this.#clock.monotonic();
    const remembered = this.#known.get(canaryKey(canary.id));
    const known = remembered === undefined ? undefined : settled(remembered, source, now);
    const isRead = known !== undefined && known.templateDigest === templateDigest && !isDue(known, source);
    const next = isRead
      ? known
      : await this.#read(input, { known, source, templateDigest, owner, key: this.#key, now }, signal);
    if (next === null) return none(`The target "${ref.name}" is not in the cluster: its engine has not made it yet.`);
    this.#known.set(canaryKey(canary.id), next);
    return { candidate: next.release, complaint: null, replicas: next.replicas };
  }

  forgetAll(): void {
    this.#known.clear();
  }

  async #read(
    input: RenderedInput,
    seen: {
      readonly known: Known | undefined;
      readonly source: string;
      readonly templateDigest: string;
      readonly owner: KubeObject;
      readonly key: string;
      readonly now: number;
    },
    signal: AbortSignal,
  ): Promise<Known | null> {
    const { state, engine, owners, tip } = input;
    const { known, source, key, templateDigest, now } = seen;
    const read = await readTarget(this.#cluster, input, signal);
    if (read === undefined) return null;
    const { owned } = read;
    const { template, rest } = templateHashes(key, owned);
    const replicas = numberAt(owned, "spec", "replicas") ?? null;
    const rendering: Rendering = { template, rest, source, owner: nameOf(seen.owner) };
    const fresh: Release = {
      revision: template,
      commit: engine.seen(owners)[0] ?? tip ?? "",
      images: imagesOf(owned),
      target: outlineOf(owned),
      configs: [],
      scaler: null,
      rendering,
    };
    const before = known?.release ?? state.run?.release ?? state.lock?.release;
    const taken = { templateDigest, template, replicas, newer: null };
    if (before === undefined) return { ...taken, release: fresh };
    const isSame = before.rendering === undefined ? sameImages(before, fresh) : before.revision === template;
    if (isSame) return settled({ ...taken, release: before, newer: known?.newer ?? null }, source, now);
    // An image that the engine wrote and somebody else has taken over is missing in what is left of the engine's.
    const isEdited = imagesOf(read.live).length > fresh.images.length ||
      before.rendering !== undefined && before.rendering.source === source;
    return { ...taken, release: isEdited ? before : fresh, newer: known?.newer ?? null };
  }
}

/** What was seen and not taken for the engine's may have been, now that it says so. */
function isDue({ template, release: { rendering } }: Known, source: string): boolean {
  return rendering !== undefined && template !== rendering.template && source !== rendering.source;
}

/** Rendered from something else, and it came to the same: after a while, what it was rendered from is that. */
function settled(known: Known, source: string, now: number): Known {
  const { release, newer } = known;
  const { rendering } = release;
  if (rendering === undefined || rendering.source === source || known.template !== rendering.template) return known;
  if (newer?.source !== source) return { ...known, newer: { source, at: now } };
  if (now - newer.at < ENGINE_WRITES_MS) return known;
  return { ...known, newer: null, release: { ...release, rendering: { ...rendering, source } } };
}

function none(complaint: string): RenderedAnswer {
  return { candidate: null, complaint, replicas: null };
}

/** Read from manifests until now: the same images are the same release, which nothing else could tell. */
function sameImages(before: Release, fresh: Release): boolean {
  const texts = ({ images }: Release): string => images.map(({ container, image }) => `${container}=${image}`).join();
  return texts(before) === texts(fresh);
}

/** As places in Git are told which object they stand in. */
function nameOf(owner: KubeObject): string {
  const { apiVersion, kind, namespace, name } = refOf(owner);
  const group = apiVersion.includes("/") ? `${apiVersion.split("/")[0]}/` : "";
  return `${group}${kind} ${namespace === undefined ? "" : `${namespace}/`}${name}`;
}

function unrendered({ id, target }: Canary): InvalidSpecError {
  return new InvalidSpecError(
    `Cannot look after "${id.namespace}/${id.name}": "render: live" is for targets that Flux or Argo CD renders, and "${target.name}" carries the marks of neither`,
    { fix: "Let an engine apply the target, or remove spec.render" },
  );
}

function unkept({ id }: Canary): InvalidSpecError {
  return new InvalidSpecError(
    `Cannot look after "${id.namespace}/${id.name}": "render: live" keeps what the engine rendered in a Secret, and the agent reads no Secrets here`,
    { fix: "Set secrets.copy to true, apply deploy/rbac/secrets_copy.yaml, and leave mode: observe" },
  );
}
