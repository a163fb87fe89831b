/**
 * The state of each canary in its ConfigMap `serin-<canary>`, saved by compare-and-swap. What the next turn needs to
 * act again after a crash is saved before anything is done; bookkeeping that a crash may lose waits for the next save.
 */
import { Alike } from "../core/alike.ts";
import { type CanaryId, canaryKey } from "../core/canary.ts";
import { type KubeObject, type ObjectRef, stringAt } from "../core/kube_object.ts";
import { CANARY_LABEL, MANAGED_BY_LABEL, MANAGER } from "../core/names.ts";
import type { Packed } from "../core/packed.ts";
import { Recent } from "../core/recent.ts";
import { isSame } from "../core/same.ts";
import { newState, type State, STATE_VERSION } from "../core/state.ts";
import { ConflictError, InvalidSpecError } from "../errors.ts";
import type { Cluster } from "../ports/cluster.ts";

/** A ConfigMap holds 1 MiB; beyond this the state is stored compressed. */
const PLAIN_BYTES_MAX = 700 * 1024;
/** What is refused even when compressed. */
const STORED_BYTES_MAX = 950 * 1024;

export const STATE_SELECTOR = `${MANAGED_BY_LABEL}=${MANAGER}`;

export interface StateStore {
  /** The state as remembered here, else as the cluster has it, else a new one. */
  load(id: CanaryId, now: number): Promise<State>;
  /** Saves what must survive a crash. Bookkeeping alone is kept in memory until something else is saved. */
  save(state: State, signal?: AbortSignal): Promise<void>;
  /** Drops what is remembered here: the next load reads the cluster. After a conflict, or when leadership changed. */
  forget(id: CanaryId): void;
  forgetAll(): void;
  /** Deletes the ConfigMap. */
  remove(id: CanaryId): Promise<void>;
  /** Ids of all canaries that have a state in the cluster. */
  known(): readonly CanaryId[];
}

interface Held {
  readonly state: State;
  /** What the cluster has of it, as `hardPart` gives it; null: nothing. */
  readonly saved: unknown;
  readonly resourceVersion: string | null;
}

/** A canary at rest, all of which but bookkeeping is saved. */
interface Resting {
  readonly packed: Packed;
  readonly resourceVersion: string;
}

/** States kept spread out, beside those of rollouts on their way. */
const SPREAD_OUT_MAX = 256;

function awake(remembered: Held | Resting, alike: Alike): Held {
  if ("state" in remembered) return remembered;
  const state: State = JSON.parse(alike.unpack(remembered.packed));
  return { state, saved: hardPart(state), resourceVersion: remembered.resourceVersion };
}

/** Packs a state that has come to rest; any other stays as it is. */
function laidToRest(remembered: Held | Resting, alike: Alike): Held | Resting {
  if (!("state" in remembered) || remembered.resourceVersion === null || remembered.state.run !== null) {
    return remembered;
  }
  const { state, saved, resourceVersion } = remembered;
  return isSame(hardPart(state), saved) ? { packed: alike.pack(JSON.stringify(state)), resourceVersion } : remembered;
}

export function createStateStore(options: {
  readonly cluster: Pick<Cluster, "derived" | "get" | "create" | "replace" | "remove">;
  readonly epoch: () => number;
  /** Keeps what is saved in memory alone (`mode: observe`). */
  readonly readOnly?: boolean;
}): StateStore {
  const { cluster } = options;
  const alike = new Alike();
  const held = new Map<string, Held | Resting>();
  const recent = new Recent<string, true>(SPREAD_OUT_MAX, (key) => {
    const pushedOut = held.get(key);
    if (pushedOut !== undefined) held.set(key, laidToRest(pushedOut, alike));
  });

  function hold(key: string, one: Held): void {
    held.set(key, one);
    recent.set(key, true);
  }

  async function load(id: CanaryId, now: number): Promise<State> {
    const key = canaryKey(id);
    const remembered = held.get(key);
    const live = cluster.get(stateRef(id));
    // Our own writes are in the cache at once, so what differs there was written or deleted by someone else.
    if (remembered !== undefined && remembered.resourceVersion === (live?.metadata.resourceVersion ?? null)) {
      const known = awake(remembered, alike);
      hold(key, known);
      return known.state;
    }
    if (remembered !== undefined && live === undefined) {
      const known = { ...awake(remembered, alike), saved: null, resourceVersion: null };
      hold(key, known);
      return known.state;
    }
    const state = live === undefined ? newState(id, now) : await decode(live, id);
    hold(key, {
      state,
      saved: live === undefined ? null : hardPart(state),
      resourceVersion: live?.metadata.resourceVersion ?? null,
    });
    return state;
  }

  async function save(state: State, signal?: AbortSignal): Promise<void> {
    const key = canaryKey(state.id);
    const remembered = held.get(key);
    // A new leadership drops what was remembered, also in the middle of a turn: that turn decides again.
    if (remembered === undefined) {
      throw new ConflictError(`Cannot save the state of "${key}": it is not remembered any more`);
    }
    const before = awake(remembered, alike);
    const hard = hardPart(state);
    const claimed = state.run === null || before.state.epoch === options.epoch();
    if ((isSame(hard, before.saved) && claimed) || options.readOnly === true) {
      // What is not saved leaves the epoch as it was saved, else each turn would claim the rollout anew.
      hold(key, { ...before, state: { ...state, epoch: before.state.epoch } });
      return;
    }
    const stamped = { ...state, epoch: options.epoch() };
    const object = await encode(stamped);
    const write = before.resourceVersion === null
      ? cluster.create(object, signal === undefined ? {} : { signal })
      : cluster.replace(
        { ...object, metadata: { ...object.metadata, resourceVersion: before.resourceVersion } },
        signal === undefined ? {} : { signal },
      );
    try {
      const stored = await write;
      hold(key, { state: stamped, saved: hard, resourceVersion: stored.metadata.resourceVersion ?? null });
    } catch (error) {
      // Whether it was stored is told by the cache; only what is known to be stale is dropped.
      if (error instanceof ConflictError) held.delete(key);
      throw error;
    }
  }

  return {
    load,
    save,
    forget: (id) => void held.delete(canaryKey(id)),
    forgetAll: () => held.clear(),
    async remove(id) {
      held.delete(canaryKey(id));
      await cluster.remove(stateRef(id));
    },
    known() {
      const ids: CanaryId[] = [];
      for (const { metadata } of cluster.derived("v1", "ConfigMap")) {
        const name = metadata.labels?.[CANARY_LABEL];
        const { namespace } = metadata;
        if (name === undefined || namespace === undefined || metadata.name !== `serin-${name}`) continue;
        ids.push({ namespace, name });
      }
      return ids;
    },
  };
}

export function stateRef(id: CanaryId): ObjectRef {
  return { apiVersion: "v1", kind: "ConfigMap", namespace: id.namespace, name: `serin-${id.name}` };
}

/**
 * The state less what a crash may lose: timers, stages within a phase, words. What is owed to people counts at rest,
 * where no later save would clear it and each restart would tell it again.
 */
function hardPart(state: State): unknown {
  const {
    waitsFor: _waits,
    stalled: _stalled,
    told: _told,
    lastTrafficAt: _last,
    epoch: _epoch,
    outbox,
    run,
    ...more
  } = state;
  const rests = state.phase === "idle" || state.phase === "released";
  const rest = { ...more, owes: rests && outbox.length > 0 };
  if (run === null) return { ...rest, run: null };
  const {
    stage: _stage,
    stageSince: _since,
    nextWeight: _weight,
    nextMirror: _mirror,
    routedAt: _routed,
    readySince: _ready,
    nextCheckAt: _check,
    evidence: _evidence,
    ...hard
  } = run;
  return { ...rest, run: hard };
}

async function encode(state: State): Promise<KubeObject> {
  const json = JSON.stringify(state);
  const plain = new TextEncoder().encode(json);
  const fits = plain.byteLength <= PLAIN_BYTES_MAX;
  const packed = fits ? null : base64(await gzip(plain));
  if (packed !== null && packed.length > STORED_BYTES_MAX) {
    throw new InvalidSpecError(
      `Cannot save the state of "${
        canaryKey(state.id)
      }": it takes ${packed.length} bytes compressed, more than ${STORED_BYTES_MAX}`,
      { fix: "Move large ConfigMaps of this release unit out of it, or annotate them to be left untracked" },
    );
  }
  return {
    apiVersion: "v1",
    kind: "ConfigMap",
    metadata: {
      name: `serin-${state.id.name}`,
      namespace: state.id.namespace,
      labels: { [MANAGED_BY_LABEL]: MANAGER, [CANARY_LABEL]: state.id.name },
    },
    data: { phase: state.phase, epoch: String(state.epoch), ...(packed === null ? { state: json } : {}) },
    ...(packed === null ? {} : { binaryData: { state: packed } }),
  };
}

async function decode(object: KubeObject, id: CanaryId): Promise<State> {
  const plain = stringAt(object, "data", "state");
  const packed = stringAt(object, "binaryData", "state");
  const json = plain ?? (packed === undefined ? null : await gunzip(packed));
  try {
    const state: unknown = JSON.parse(json ?? "");
    if (isState(state)) return state;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw new InvalidSpecError(
    `Cannot read the state of "${
      canaryKey(id)
    }": ConfigMap "${object.metadata.name}" does not hold a state of version ${STATE_VERSION}`,
    { fix: `Delete ConfigMap "${object.metadata.name}": a rollout in flight then starts again at weight 0` },
  );
}

function isState(value: unknown): value is State {
  return typeof value === "object" && value !== null && "version" in value && value.version === STATE_VERSION &&
    "phase" in value;
}

async function pipe(
  bytes: Uint8Array<ArrayBuffer>,
  through: CompressionStream | DecompressionStream,
): Promise<Uint8Array<ArrayBuffer>> {
  const body = new Blob([bytes]).stream().pipeThrough(through);
  return new Uint8Array(await new Response(body).arrayBuffer());
}

function gzip(bytes: Uint8Array<ArrayBuffer>): Promise<Uint8Array<ArrayBuffer>> {
  return pipe(bytes, new CompressionStream("gzip"));
}

async function gunzip(packed: string): Promise<string> {
  const binary = atob(packed);
  const bytes = Uint8Array.from(binary, (char) => char.charCodeAt(0));
  return new TextDecoder().decode(await pipe(bytes, new DecompressionStream("gzip")));
}

function base64(bytes: Uint8Array): string {
  let binary = "";
  for (let at = 0; at < bytes.length; at += 0x8000) binary += String.fromCharCode(...bytes.subarray(at, at + 0x8000));
  return btoa(binary);
}
