/**
 * Captures: primaries as an engine rendered them, each in a Secret beside the workload, named by revision and immutable.
 * Git and the state hold outlines; whoever applies or looks after a primary takes its content from here.
 */
import { Alike } from "../core/alike.ts";
import { type Canary, canaryKey } from "../core/canary.ts";
import type { Lock } from "../core/decision.ts";
import { isJsonObject, type KubeObject, stringAt } from "../core/kube_object.ts";
import { CANARY_LABEL, MANAGED_BY_LABEL, MANAGER } from "../core/names.ts";
import type { Packed } from "../core/packed.ts";
import { Recent } from "../core/recent.ts";
import type { Cluster } from "../ports/cluster.ts";

/** Captures that are remembered, so that a canary at rest costs no request. */
const REMEMBERED_MAX = 8192;

/** Name of the Secret that holds the capture of a revision. */
export function captureName(canary: Canary, revision: string): string {
  return `serin-${canary.id.name}-${revision}`;
}

export class Captures {
  readonly #cluster: Pick<Cluster, "live">;
  /** As JSON; null: it was looked for, and is not there. */
  readonly #known = new Recent<string, { readonly packed: Packed | null }>(REMEMBERED_MAX);
  readonly #alike = new Alike();

  constructor(cluster: Pick<Cluster, "live">) {
    this.#cluster = cluster;
  }

  /** The primary of a revision, or null where it was lost. One GET, then from memory. */
  async of(canary: Canary, revision: string, signal: AbortSignal): Promise<KubeObject | null> {
    const key = keyOf(canary, revision);
    const known = this.#known.get(key) ?? this.#hold(key, await this.#read(canary, revision, signal));
    return known.packed === null ? null : parsed(this.#alike.unpack(known.packed));
  }

  #hold(key: string, text: string | null): { readonly packed: Packed | null } {
    const held = { packed: text === null ? null : this.#alike.pack(text) };
    this.#known.set(key, held);
    return held;
  }

  async #read(canary: Canary, revision: string, signal: AbortSignal): Promise<string | null> {
    const name = captureName(canary, revision);
    const ref = { apiVersion: "v1", kind: "Secret", namespace: canary.id.namespace, name };
    const secret = await this.#cluster.live(ref, signal);
    const encoded = stringAt(secret, "data", "primary");
    if (encoded === undefined) return null;
    const text = new TextDecoder().decode(Uint8Array.fromBase64(encoded));
    return parsed(text) === null ? null : text;
  }

  /** A lock with its primary as it was captured; as it is where no engine rendered it, or its capture is lost. */
  async filled(canary: Canary, lock: Lock, signal: AbortSignal): Promise<Lock> {
    if (lock.release.rendering === undefined) return lock;
    const primary = await this.of(canary, lock.release.revision, signal);
    return primary === null ? lock : { ...lock, primary };
  }

  /** Keeps a primary under its revision. Again it is the same. @param cluster that may be written to */
  async keep(
    cluster: Pick<Cluster, "apply">,
    { canary, revision, primary }: {
      readonly canary: Canary;
      readonly revision: string;
      readonly primary: KubeObject;
    },
    signal: AbortSignal,
  ): Promise<void> {
    const text = JSON.stringify(primary);
    const encoded = new TextEncoder().encode(text).toBase64();
    await cluster.apply({
      apiVersion: "v1",
      kind: "Secret",
      metadata: {
        name: captureName(canary, revision),
        namespace: canary.id.namespace,
        labels: { [MANAGED_BY_LABEL]: MANAGER, [CANARY_LABEL]: canary.id.name },
      },
      immutable: true,
      type: "Opaque",
      data: { primary: encoded },
    }, { force: true, signal });
    this.#hold(keyOf(canary, revision), text);
  }

  /** What is remembered may be stale: another replica led meanwhile. */
  forgetAll(): void {
    this.#known.clear();
  }
}

function keyOf(canary: Canary, revision: string): string {
  return `${canaryKey(canary.id)}/${revision}`;
}

/** null: it is no workload. */
function parsed(text: string): KubeObject | null {
  try {
    const value: unknown = JSON.parse(text);
    const isWorkload = isJsonObject(value) && isJsonObject(value["metadata"]) && isJsonObject(value["spec"]);
    return isWorkload ? value as unknown as KubeObject : null;
  } catch (error) {
    if (error instanceof SyntaxError) return null;
    throw error;
  }
}
