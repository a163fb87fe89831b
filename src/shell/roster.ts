/** The canaries that an agent has taken on, by key: those of its namespaces, met in Git or by what is remembered of them. */
import { type CanaryId, canaryKey } from "../core/canary.ts";

export interface Roster {
  /** By key; changes as canaries are met and forgotten. */
  readonly ids: ReadonlyMap<string, CanaryId>;
  /** Takes a canary on, unless it is of a namespace that the agent was not given: that is told once. */
  meet(id: CanaryId): void;
  forget(key: string): void;
}

/** @param options.namespaces the only ones that the agent works in; none for all */
export function createRoster(options: {
  readonly namespaces: readonly string[];
  readonly elsewhere: (key: string) => void;
}): Roster {
  const ids = new Map<string, CanaryId>();
  const told = new Set<string>();
  return {
    ids,
    meet(id) {
      const key = canaryKey(id);
      if (options.namespaces.length === 0 || options.namespaces.includes(id.namespace)) {
        ids.set(key, id);
      } else if (!told.has(key)) {
        told.add(key);
        options.elsewhere(key);
      }
    },
    forget: (key) => void ids.delete(key),
  };
}
