/**
 * Finds the scalar that a path of a document ends in, through aliases and merge keys. Such a scalar is seen in several
 * places: whoever changes it must show that all of them are meant. `locate` is for those who cannot.
 */
import {
  type Document,
  isAlias,
  isCollection,
  isMap,
  isNode,
  isScalar,
  isSeq,
  type Node,
  visit,
  type YAMLMap,
} from "yaml";
import { childOf, locate, type YamlPath } from "./yaml_file.ts";

export type Reached =
  /** `shared`: why the node may be seen in other places too; null: it is seen at this path only. */
  | { readonly type: "found"; readonly node: Node; readonly inFlow: boolean; readonly shared: string | null }
  | { readonly type: "refused"; readonly reason: string };

/** Bound on merge keys within merge keys. */
const MERGES_MAX = 10;

/** The node that a path leads to, wherever it is written. */
export function reach(document: Document, path: YamlPath): Reached {
  const located = locate(document, path);
  if (located.type === "found") return { ...located, shared: null };
  const node = follow(document, path);
  if (node === undefined) return located;
  return { type: "found", node, inFlow: standsInFlow(document, node), shared: located.reason };
}

function follow(document: Document, path: YamlPath): Node | undefined {
  let here = resolved(document, document.contents);
  for (const step of path) {
    const next: unknown = isMap(here)
      ? entryOf(document, { map: here, step, depth: 0 })
      : isSeq(here)
      ? here.items[Number(step)]
      : undefined;
    here = resolved(document, next);
  }
  return here;
}

function resolved(document: Document, node: unknown): Node | undefined {
  if (isAlias(node)) return node.resolve(document);
  return isNode(node) ? node : undefined;
}

/** A key's own value, else that of the first map merged into it that has the key. */
function entryOf(
  document: Document,
  at: { readonly map: YAMLMap; readonly step: string | number; readonly depth: number },
): unknown {
  const { map, step, depth } = at;
  const own = childOf(map, step);
  if (own !== undefined || depth === MERGES_MAX) return own;
  const merges = map.items.filter(({ key }) => isScalar(key) && key.source === "<<").map(({ value }) => value);
  const sources = merges.flatMap((value) => isSeq(value) ? value.items : [value]);
  for (const source of sources) {
    const merged = resolved(document, source);
    const found = isMap(merged) ? entryOf(document, { map: merged, step, depth: depth + 1 }) : undefined;
    if (found !== undefined) return found;
  }
  return undefined;
}

function standsInFlow(document: Document, node: Node): boolean {
  let inFlow = false;
  visit(document, {
    Node: (_, visited, ancestors) => {
      if (visited !== node) return undefined;
      inFlow = ancestors.some((ancestor) => isCollection(ancestor) && ancestor.flow === true);
      return visit.BREAK;
    },
  });
  return inFlow;
}
