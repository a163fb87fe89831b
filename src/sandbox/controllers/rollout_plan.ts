/**
 * How many pods each ReplicaSet of a Deployment should have next. Pure; the rules of the real deployment controller for
 * rolling updates, recreation and scaling in mid-rollout.
 */
import { type Json, type KubeObject, numberAt, objectAt, stringAt } from "../../core/kube_object.ts";

export interface Sizes {
  readonly name: string;
  readonly replicas: number;
  readonly available: number;
  /** Pods that exist, whatever their state. */
  readonly pods: number;
  /** The Deployment's size when this set was last scaled. */
  readonly desired: number;
}

export interface Plan {
  /** New sizes of sets that change, by name. */
  readonly scale: ReadonlyMap<string, number>;
}

/** A count or a percentage of the replicas. */
function resolve(value: Json | undefined, total: number, roundUp: boolean): number {
  if (typeof value === "number") return value;
  const percent = typeof value === "string" ? Number.parseInt(value, 10) : 25;
  const exact = (percent * total) / 100;
  return roundUp ? Math.ceil(exact) : Math.floor(exact);
}

/** `maxSurge` and `maxUnavailable` in pods; never both zero. */
export function budgets(deployment: KubeObject): { readonly surge: number; readonly unavailable: number } {
  const total = numberAt(deployment, "spec", "replicas") ?? 1;
  if (stringAt(deployment, "spec", "strategy", "type") === "Recreate") return { surge: 0, unavailable: 0 };
  const rolling = objectAt(deployment, "spec", "strategy", "rollingUpdate");
  const surge = resolve(rolling["maxSurge"], total, true);
  const unavailable = resolve(rolling["maxUnavailable"], total, false);
  return { surge, unavailable: Math.min(total, surge === 0 && unavailable === 0 ? 1 : unavailable) };
}

const sum = (sets: readonly Sizes[], of: (set: Sizes) => number) => sets.reduce((total, set) => total + of(set), 0);

/** The next step of a rollout. `old` has no set of the present template, oldest first. */
export function planRollout(deployment: KubeObject, young: Sizes, old: readonly Sizes[]): Plan {
  const total = numberAt(deployment, "spec", "replicas") ?? 1;
  const { surge, unavailable } = budgets(deployment);
  if (stringAt(deployment, "spec", "strategy", "type") === "Recreate") {
    const running = old.filter((set) => set.replicas > 0);
    if (running.length > 0) return { scale: new Map(running.map((set) => [set.name, 0])) };
    return sum(old, (set) => set.pods) > 0 || young.replicas === total
      ? { scale: new Map() }
      : { scale: new Map([[young.name, total]]) };
  }
  const all = [...old, young];
  const pods = sum(all, (set) => set.replicas);
  if (young.replicas > total) return { scale: new Map([[young.name, total]]) };
  const room = Math.min(total + surge - pods, total - young.replicas);
  if (young.replicas < total && room > 0) return { scale: new Map([[young.name, young.replicas + room]]) };
  return { scale: shrinkOld(old, young, total - unavailable, pods) };
}

/** Unhealthy old pods go first, then as many as the minimum of available pods allows. */
function shrinkOld(
  old: readonly Sizes[],
  young: Sizes,
  minAvailable: number,
  pods: number,
): ReadonlyMap<string, number> {
  const scale = new Map<string, number>();
  const unavailableYoung = young.replicas - young.available;
  let removable = pods - minAvailable - unavailableYoung;
  if (removable <= 0) return scale;
  const sizes = new Map(old.map((set) => [set.name, set.replicas] as const));
  for (const set of old) {
    const unhealthy = Math.min(removable, set.replicas - set.available);
    if (unhealthy <= 0) continue;
    sizes.set(set.name, set.replicas - unhealthy);
    removable -= unhealthy;
  }
  let spare = sum([...old, young], (set) => set.available) - minAvailable;
  for (const set of old) {
    const left = sizes.get(set.name) ?? 0;
    const down = Math.min(left, Math.max(0, spare));
    sizes.set(set.name, left - down);
    spare -= down;
  }
  for (const set of old) {
    const left = sizes.get(set.name) ?? set.replicas;
    if (left !== set.replicas) scale.set(set.name, left);
  }
  return scale;
}

/** The Deployment's size changed while several sets have pods, or while it is paused: all sets share the change. */
export function planScaling(deployment: KubeObject, sets: readonly Sizes[]): Plan {
  const total = numberAt(deployment, "spec", "replicas") ?? 1;
  const active = sets.filter((set) => set.replicas > 0);
  const newest = sets.at(-1);
  const [only] = active;
  if (active.length <= 1) {
    const target = only ?? newest;
    return { scale: target === undefined || target.replicas === total ? new Map() : new Map([[target.name, total]]) };
  }
  const { surge } = budgets(deployment);
  const pods = sum(active, (set) => set.replicas);
  const allowed = total > 0 ? total + surge : 0;
  let toShare = allowed - pods;
  const scale = new Map<string, number>();
  const bySize = [...active].sort((a, b) => b.replicas - a.replicas);
  for (const set of bySize) {
    const was = set.desired + surge;
    const fraction = total === 0
      ? -set.replicas
      : Math.round((set.replicas * allowed) / Math.max(1, was)) - set.replicas;
    const change = toShare > 0 ? Math.min(Math.max(0, fraction), toShare) : Math.max(Math.min(0, fraction), toShare);
    if (change !== 0) scale.set(set.name, Math.max(0, set.replicas + change));
    toShare -= change;
  }
  const [largest] = bySize;
  if (toShare !== 0 && largest !== undefined) {
    scale.set(largest.name, Math.max(0, (scale.get(largest.name) ?? largest.replicas) + toShare));
  }
  return { scale };
}
