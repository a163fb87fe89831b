/** No engine: the agent applies the release unit itself, after it has moved traffic, so that no fence is needed. */
import type { EngineAdapter } from "../../src/ports/engine.ts";

export const self = {
  id: "self",
  applies: true,
  owner: () => null,
  applied: () => ({ type: "applied", message: "The agent applies the release itself" }),
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
} as const satisfies EngineAdapter;
