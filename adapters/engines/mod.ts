/** The table of engines, and which of them a target belongs to. */
import type { EngineId } from "../../src/core/canary.ts";
import type { KubeObject } from "../../src/core/kube_object.ts";
import type { EngineAdapter } from "../../src/ports/engine.ts";
import { argocd } from "./argocd.ts";
import { flux, fluxHelm } from "./flux.ts";
import { self } from "./self.ts";

export { fluxSourceOf } from "./flux.ts";

/**
 * Engines by name. Looking for the owner of a target in this order finds the right row of Flux's two: a HelmRelease's
 * target is also `flux`, but wants another fence.
 */
export const engines: ReadonlyMap<string, EngineAdapter> = new Map<string, EngineAdapter>([
  ["argocd", argocd],
  ["flux-helm", fluxHelm],
  ["flux", flux],
  ["self", self],
]);

/** The engine whose marks a live target carries, or null. */
export function detectEngine(target: KubeObject): EngineAdapter | null {
  return [...engines.values()].find((engine) => engine.owner(target) !== null) ?? null;
}

/** The engine as declared, else as found on the live target, else `self`. */
export function engineFor(target: KubeObject | undefined, declared: EngineId | null): EngineAdapter {
  const found = target === undefined ? null : detectEngine(target);
  if (declared === null) return found ?? self;
  return found?.id === declared ? found : engines.get(declared) ?? self;
}
