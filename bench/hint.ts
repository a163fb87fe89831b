/**
 * From a push to the first share of traffic, told by a push webhook, beyond what the pods take to get ready by
 * themselves. Beside it: what the push itself took.
 */
import { machineClock } from "../adapters/platform/clock.ts";
import { cloneRepository } from "../src/demo/clone.ts";
import { listAt, numberAt } from "../src/core/kube_object.ts";
import type { DirectChange } from "../src/sandbox/api/cluster.ts";
import { until } from "../test/support/until.ts";
import type { Row } from "./report.ts";
import { deploymentPath, shopFiles, shopName } from "../test/support/fleet_files.ts";
import { REPOSITORY, withStand } from "./stand.ts";

const RUNS = 7;

export async function hint(): Promise<readonly Row[]> {
  // One share only, so that a run is short; polls are too rare to help.
  const analysis = "    interval: 1s\n    threshold: 5\n    stepWeights: [50]\n    metrics: []";
  const files = () => shopFiles({ manifests: 4, canaries: 1, analysis });
  return await withStand({ files, pollInterval: "1h" }, async (stand) => {
    const agent = await stand.startAgent();
    await agent.settled(1);
    const clone = await cloneRepository(stand.sandbox.git.urlOf(REPOSITORY), `${stand.dir}/clone`);
    const pushMs: number[] = [];
    const shiftMs: number[] = [];
    const podsMs: number[] = [];
    const beyondMs: number[] = [];
    for (let run = 0; run < RUNS; run += 1) {
      await machineClock.sleep(1_000);
      const seen = follow(stand.sandbox.api.store.watch);
      const pushAt = performance.now();
      await clone.bump(deploymentPath(0), { from: `:6.0.${run}`, to: `:6.0.${run + 1}`, message: "Bump" });
      const pushedAt = performance.now();
      await agent.hint();
      await until("a share is on", () => seen.at.share !== null, 30_000);
      seen.stop();
      const { share, scaled, ready } = seen.at;
      if (share === null || scaled === null || ready === null) throw new Error("A share was on before pods were ready");
      pushMs.push(pushedAt - pushAt);
      shiftMs.push(share - pushedAt);
      podsMs.push(ready - scaled);
      beyondMs.push(share - pushedAt - (ready - scaled));
      await agent.settled(1, `:6.0.${run + 1}`);
    }
    const benchmark = "hint";
    const beside = { what: "git commit and push", values: pushMs };
    return [
      {
        benchmark,
        what: "push to first share, beyond the pods' readiness",
        unit: "ms",
        values: beyondMs,
        promised: "under 1000",
        beside,
      },
      { benchmark, what: "the pods' readiness", unit: "ms", values: podsMs },
      { benchmark, what: "push to first share, in all", unit: "ms", values: shiftMs },
    ];
  });
}

interface Times {
  readonly scaled: number | null;
  readonly ready: number | null;
  readonly share: number | null;
}

/** When the target was scaled up, had its pod, and the route its share. */
function follow(watch: (listener: (change: DirectChange) => void) => () => void): { readonly at: Times; stop(): void } {
  let at: Times = { scaled: null, ready: null, share: null };
  const stop = watch(({ object, type }) => {
    const now = performance.now();
    if (object.kind === "HTTPRoute" && at.share === null && isShare(object.spec)) at = { ...at, share: now };
    if (object.kind !== "Deployment" || object.metadata.name !== shopName(0) || type === "DELETED") return;
    if (at.scaled === null && (numberAt(object, "spec", "replicas") ?? 0) > 0) at = { ...at, scaled: now };
    if (at.scaled !== null && at.ready === null && (numberAt(object, "status", "readyReplicas") ?? 0) > 0) {
      at = { ...at, ready: now };
    }
  });
  return {
    get at() {
      return at;
    },
    stop,
  };
}

function isShare(spec: unknown): boolean {
  return listAt(spec, "rules").some((rule) =>
    listAt(rule, "backendRefs").some((ref) => numberAt(ref, "weight") === 50)
  );
}
