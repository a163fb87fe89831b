/** The one label by which the pods of target and primary are told apart, and its value in a pod template. */
import {
  at,
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from "../../../src/core/kube_object.ts";
import { InvalidSpecError } from "../../../src/errors.ts";

/** Keys that are looked for in `spec.selector.matchLabels`, in this order (Flagger's default). */
export const SELECTOR_KEYS: readonly string[] = ["app", "name", "app.kubernetes.io/name"];

export interface PodSelector {
  readonly key: string;
  /** Value on the target's pods. */
  readonly value: string;
  /** Value on the primary's pods. */
  readonly primaryValue: string;
}

/** The selector of a target manifest, or undefined when it has none of the keys. */
export function findSelector(target: KubeObject): PodSelector | undefined {
  const labels = objectAt(target, "spec", "selector", "matchLabels");
  for (const key of SELECTOR_KEYS) {
    const value = stringAt(labels, key);
    if (value !== undefined) return { key, value, primaryValue: `${value}-primary` };
  }
  return undefined;
}

/** @throws {InvalidSpecError} the target has none of the keys */
export function selectorOf(target: KubeObject): PodSelector {
  const found = findSelector(target);
  if (found !== undefined) return found;
  const name = `${target.metadata.namespace ?? ""}/${target.metadata.name}`;
  throw new InvalidSpecError(
    `Cannot tell the pods of "${name}" from its primary's: spec.selector.matchLabels has none of ${
      SELECTOR_KEYS.join(", ")
    }`,
    {
      fix: `Select by one of ${
        SELECTOR_KEYS.join(", ")
      }; the selector of a workload that exists can only be changed by recreating it`,
    },
  );
}

/**
 * A pod spec whose affinity and spread terms that mean the target's own pods mean the primary's instead.
 *
 * Flagger compares with the workload's name and leaves podAffinity out; the label's value is what pods carry.
 */
export function withPrimaryTerms(spec: JsonObject, selector: PodSelector): JsonObject {
  const affinity = at(spec, "affinity");
  const spread = listAt(spec, "topologySpreadConstraints");
  return {
    ...spec,
    ...(spread.length === 0 ? {} : { topologySpreadConstraints: spread.map((term) => withSelector(term, selector)) }),
    ...(isJsonObject(affinity) ? { affinity: withPrimaryAffinity(affinity, selector) } : {}),
  };
}

function withPrimaryAffinity(affinity: JsonObject, selector: PodSelector): JsonObject {
  const changed: Record<string, Json> = {};
  for (const kind of ["podAffinity", "podAntiAffinity"]) {
    const terms = at(affinity, kind);
    if (!isJsonObject(terms)) continue;
    const required = listAt(terms, REQUIRED).map((term) => withSelector(term, selector));
    const preferred = listAt(terms, PREFERRED).map((weighted): Json => ({
      ...objectAt(weighted),
      podAffinityTerm: withSelector(objectAt(weighted, "podAffinityTerm"), selector),
    }));
    changed[kind] = {
      ...terms,
      ...(required.length === 0 ? {} : { [REQUIRED]: required }),
      ...(preferred.length === 0 ? {} : { [PREFERRED]: preferred }),
    };
  }
  return { ...affinity, ...changed };
}

const REQUIRED = "requiredDuringSchedulingIgnoredDuringExecution";
const PREFERRED = "preferredDuringSchedulingIgnoredDuringExecution";

function withSelector(term: Json, selector: PodSelector): Json {
  const labelSelector = at(term, "labelSelector");
  if (!isJsonObject(term) || !isJsonObject(labelSelector)) return term;
  const { key, value, primaryValue } = selector;
  const labels = objectAt(labelSelector, "matchLabels");
  const expressions = listAt(labelSelector, "matchExpressions").map((expression): Json =>
    stringAt(expression, "key") !== key ? expression : {
      ...objectAt(expression),
      values: listAt(expression, "values").map((one) => (one === value ? primaryValue : one)),
    }
  );
  return {
    ...term,
    labelSelector: {
      ...labelSelector,
      ...(labels[key] === value ? { matchLabels: { ...labels, [key]: primaryValue } } : {}),
      ...(expressions.length === 0 ? {} : { matchExpressions: expressions }),
    },
  };
}
