/**
 * Watched objects at rest: as packed text, since an object that nobody looks at takes a fifth of what it takes spread
 * out. It is spread out again when it is asked for, and the latest of those are kept.
 */
import type { Alike } from "../../../src/core/alike.ts";
import type { KubeObject } from "../../../src/core/kube_object.ts";
import { CANARY_LABEL } from "../../../src/core/names.ts";
import type { Packed as PackedText } from "../../../src/core/packed.ts";
import { Recent } from "../../../src/core/recent.ts";

/** One object, and what must be known of it without looking into it. */
export interface Packed {
  readonly resourceVersion: string | undefined;
  /** The canary it was derived for, by its label. */
  readonly canary: string | undefined;
  readonly body: PackedText;
  /** By which the body was packed: one for each store. */
  readonly alike: Alike;
}

export function pack(object: KubeObject, alike: Alike): Packed {
  const { resourceVersion, labels } = object.metadata;
  return { resourceVersion, canary: labels?.[CANARY_LABEL], body: alike.pack(JSON.stringify(object)), alike };
}

function unpack({ body, alike }: Packed): KubeObject {
  return JSON.parse(alike.unpack(body));
}

/** Objects spread out lately. */
export class Unpacked {
  readonly #recent: Recent<Packed, KubeObject>;

  constructor(max: number) {
    this.#recent = new Recent(max);
  }

  /** The object; the same one as long as it is remembered. */
  of(packed: Packed): KubeObject {
    const known = this.#recent.get(packed);
    if (known !== undefined) return known;
    const object = unpack(packed);
    this.#recent.set(packed, object);
    return object;
  }

  /** The object for one look, which is no reason to remember it. */
  peek(packed: Packed): KubeObject {
    return this.#recent.get(packed) ?? unpack(packed);
  }

  /** Remembers what is spread out already. */
  keep(packed: Packed, object: KubeObject): void {
    this.#recent.set(packed, object);
  }
}
