/** The engine of a target that nobody has applied yet, where no configuration names one: it applies nothing. */
import type { EngineAdapter } from "../ports/engine.ts";

/** What a configuration says that names no engine: whose marks the target carries, or nobody's. */
export const DETECT = "detect";

const WHY = "nobody has applied the target yet, so it is not known who will";

export const UNDECIDED: EngineAdapter = {
  id: "self",
  applies: false,
  owner: () => null,
  applied: () => ({ type: "pending", message: WHY }),
  refresh: () => [],
  fence: () => null,
  unfence: () => null,
  keeps: () => false,
  forgotten: () => false,
  holdsUp: () => null,
  seen: () => [],
  writes: () => false,
  renderedFrom: () => null,
  isAsked: () => false,
  restates: false,
  fencedBy: () => null,
  ours: () => null,
};

/** Why a canary waits for its engine, with what settles it; null when the engine is known. */
export function undecided(engine: EngineAdapter, target: string): string | null {
  if (engine !== UNDECIDED) return null;
  return `"${target}" does not exist, and it is not known who applies it: wait until Flux or Argo CD has, or set engine: self (in the agent's configuration or as spec.engine) where the agent is to apply it.`;
}
