/**
 * Finds the first difference between two pod templates: paths to leave out, lists whose items have names, and which
 * field manager wrote what. Values are not shown, since an environment variable may hold a secret.
 */
import { isSame } from "../../../src/core/same.ts";
import {
  isJsonObject,
  type Json,
  type JsonObject,
  type KubeObject,
  listAt,
  objectAt,
  stringAt,
} from "../../../src/core/kube_object.ts";

/** A step of a path: a key of a map, or the name (or index) of a list's item. */
type Step = string;

export interface Difference {
  /** "spec.containers[app].image". */
  readonly path: string;
  readonly steps: readonly Step[];
  readonly why: string;
}

/** The first difference in the order of the keys, or null. */
export function firstDifference(
  live: Json | undefined,
  primary: Json | undefined,
  steps: readonly Step[] = [],
): Difference | null {
  if (isSame(live, primary)) return null;
  if (live === undefined) return found(steps, "only the primary has it");
  if (primary === undefined) return found(steps, "only the live target has it");
  if (isJsonObject(live) && isJsonObject(primary)) return firstOf(live, primary, steps);
  if (Array.isArray(live) && Array.isArray(primary)) {
    const [a, b] = [named(live), named(primary)];
    // Equal sets of named items in another order are no difference, but for variables and start-up, which have one.
    return firstOf(a, b, steps) ?? (inOrder(steps) ? found(steps, "the order differs") : null);
  }
  return found(steps, `live ${shown(live, steps)}, primary ${shown(primary, steps)}`);
}

function firstOf(live: JsonObject, primary: JsonObject, steps: readonly Step[]): Difference | null {
  for (const key of [...new Set([...Object.keys(live), ...Object.keys(primary)])].sort()) {
    const difference = firstDifference(live[key], primary[key], [...steps, key]);
    if (difference !== null) return difference;
  }
  return null;
}

function inOrder(steps: readonly Step[]): boolean {
  return ["[initContainers]", "[env]", "[envFrom]"].includes(`[${steps.at(-1) ?? ""}]`);
}

/** A list as a map: by name where each item has one of its own, else by index. */
function named(list: readonly Json[]): JsonObject {
  const names = list.map((item) => stringAt(item, "name"));
  const unique = names.every((name) => name !== undefined) && new Set(names).size === names.length;
  return Object.fromEntries(list.map((item, index) => [`[${unique ? names[index] : index}]`, item]));
}

function shown(value: Json, steps: readonly Step[]): string {
  const safe = typeof value === "number" || typeof value === "boolean" || steps.at(-1) === "image";
  return safe ? JSON.stringify(value) : "has another value";
}

function found(steps: readonly Step[], why: string): Difference {
  return { path: pathOf(steps), steps, why };
}

function pathOf(steps: readonly Step[]): string {
  return steps.reduce((path, step) => {
    if (step.startsWith("[")) return `${path}${step}`;
    if (/[./]/.test(step)) return `${path}[${step}]`;
    return path === "" ? step : `${path}.${step}`;
  }, "");
}

/**
 * A template without the field at a path such as "metadata.annotations[kubectl.kubernetes.io/restartedAt]" or
 * "spec.containers[app].resources"; `[*]` means every item. A map that is empty then is left out too.
 */
export function withoutPath(template: Json, path: string): Json {
  const steps = [...path.matchAll(/\[([^\]]*)\]|[^.[\]]+/g)].map(([whole, inner]) => inner ?? whole);
  return steps.length === 0 ? template : withoutSteps(template, steps) ?? {};
}

function withoutSteps(value: Json, steps: readonly string[]): Json | undefined {
  const [step = "", ...rest] = steps;
  if (Array.isArray(value)) {
    return value.flatMap((item, index): readonly Json[] => {
      if (step !== "*" && step !== String(index) && step !== stringAt(item, "name")) return [item];
      const left = rest.length === 0 ? undefined : withoutSteps(item, rest);
      return left === undefined ? [] : [left];
    });
  }
  if (!isJsonObject(value)) return value;
  const keys = step === "*" ? Object.keys(value) : [step].filter((key) => key in value);
  const result: Record<string, Json> = { ...value };
  for (const key of keys) {
    const left = rest.length === 0 ? undefined : withoutSteps(value[key] ?? null, rest);
    if (left === undefined) delete result[key];
    else result[key] = left;
  }
  return keys.length > 0 && Object.keys(result).length === 0 ? undefined : result;
}

/** The field manager that owns a path of the pod template, as far as managed fields say; undefined when none does. */
export function managerOf(live: KubeObject, steps: readonly Step[]): string | undefined {
  const entries = listAt(live, "metadata", "managedFields").filter((entry) =>
    stringAt(entry, "subresource") === undefined
  );
  let best: { readonly manager: string; readonly depth: number } | undefined;
  for (const entry of entries) {
    const depth = depthIn(objectAt(entry, "fieldsV1", "f:spec", "f:template"), steps);
    if (depth > (best?.depth ?? 0)) best = { manager: stringAt(entry, "manager") ?? "unknown", depth };
  }
  return best?.manager;
}

/** How many steps of a path a set of managed fields follows. */
function depthIn(fields: JsonObject, steps: readonly Step[]): number {
  let here: JsonObject = fields;
  for (const [depth, step] of steps.entries()) {
    const key = Object.keys(here).find((known) => known === `f:${step}` || namesItem(known, step));
    if (key === undefined) return depth;
    here = objectAt(here, key);
  }
  return steps.length;
}

/** Keys of list items look like `k:{"name":"app"}`. */
function namesItem(key: string, step: Step): boolean {
  return step.startsWith("[") && key.startsWith("k:{") && key.includes(`"name":${JSON.stringify(step.slice(1, -1))}`);
}
