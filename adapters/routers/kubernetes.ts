/**
 * No mesh: the Services alone decide, and the apex Service selects the primary. There is nothing to route, so the share
 * stays at 0 and the analysis is blue/green against the canary Service.
 */
import type { RouterAdapter } from "../../src/ports/router.ts";

export const kubernetes = {
  id: "kubernetes",
  traits: { weights: false, match: false, mirror: "none", affinity: "none" },
  watches: [],
  needs: () => [],
  read: () => ({ exists: true, weight: 0, mirror: false, accepted: "yes", reason: null, drifted: false }),
  render: () => [],
  release: () => ({ restore: [], remove: [] }),
} as const satisfies RouterAdapter;
